package board

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnAddressIsOneOfThisMachine(t *testing.T) {
	for _, good := range []string{":8080", "127.0.0.1:0", "127.0.0.9:80", "localhost:1", "[::1]:65535"} {
		require.NoError(t, Check(good), good)
	}
	for bad, want := range map[string]string{
		"8080": "want host:port", "": "want host:port", ":http": "want host:port", ":65536": "want host:port", ":-1": "want host:port",
		"0.0.0.0:80": "this machine only", "example.com:80": "this machine only", "[::]:80": "this machine only",
	} {
		require.ErrorContains(t, Check(bad), want, bad)
	}
}

func TestEachProcessHasAPortOfItsOwn(t *testing.T) {
	require.Equal(t, ":8080", Nth(":8080", 1))
	require.Equal(t, "[::1]:8082", Nth("[::1]:8080", 3))
	require.Equal(t, ":0", Nth(":0", 3))
}

func TestThePageIsServedToThisMachineUnderItsOwnAddress(t *testing.T) {
	rec, err := dashboard.NewRecorder()
	require.NoError(t, err)
	p, err := pool.New(1, pool.WithHooks(rec.Hooks()))
	require.NoError(t, err)
	page, err := Serve(":0", dashboard.Pool{Name: "p", Pool: p, Recorder: rec})
	require.NoError(t, err)
	defer page.Close()
	require.True(t, strings.HasPrefix(page.URL, "http://127.0.0.1:"), page.URL)

	status, text := get(t, page.URL, "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "<title>Pool</title>")
	status, text = get(t, page.URL, "somebody.example:80")
	require.Equal(t, http.StatusForbidden, status, "whose name leads here, and whose page would read the answer")
	require.NotContains(t, text, "Pool")

	_, err = Serve(strings.TrimSuffix(strings.TrimPrefix(page.URL, "http://"), "/"), dashboard.Pool{Name: "p", Pool: p, Recorder: rec})
	require.ErrorContains(t, err, "-http: listen tcp")
	require.NoError(t, page.Close())
	require.NoError(t, (*Page)(nil).Close(), "there is none")
}

// get asks for an address as if it were that of another host.
func get(t *testing.T, address, host string) (int, string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	r.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}
