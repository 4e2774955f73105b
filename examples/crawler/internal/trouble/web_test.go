package trouble

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLogSaysWhoAskedForWhatAndHowLongItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := NewWeb(map[string]Site{"a": {"/x?q": Slow(time.Second, Text("hello"))}, "b": {}})
		defer web.Start()()
		client := http.Client{Transport: &http.Transport{DialContext: web.Dial}}
		defer client.CloseIdleConnections()
		began := time.Now()
		res, err := client.Get("http://a/x?q")
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, "hello", string(body))
		res, err = client.Get("http://b/none")
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 404, res.StatusCode)
		synctest.Wait()

		require.Equal(t, []Request{{Host: "a", Path: "/x?q", Agent: "Go-http-client/1.1", At: began, Until: began.Add(time.Second)}}, web.Log("a"))
		require.Equal(t, []string{"/none"}, web.Paths("b"))
		_, err = client.Get("http://c/")
		var unknown *net.DNSError
		require.ErrorAs(t, err, &unknown)
	})
}

func TestAnswersThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outage := Outage{For: time.Minute}
		web := NewWeb(map[string]Site{"h": {
			"/1": First(2, Status(503), Status(200)),
			"/2": outage.Answer(Busy(503, "60"), Status(200)),
		}})
		defer web.Start()()
		client := http.Client{Transport: &http.Transport{DialContext: web.Dial}}
		defer client.CloseIdleConnections()
		status := func(path string) int {
			res, err := client.Get("http://h" + path)
			require.NoError(t, err)
			res.Body.Close()
			return res.StatusCode
		}
		require.Equal(t, []int{503, 503, 200}, []int{status("/1"), status("/1"), status("/1")})
		require.Equal(t, 503, status("/2"))
		time.Sleep(time.Minute)
		require.Equal(t, 200, status("/2"))
	})
}
