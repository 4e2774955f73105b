package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestAURLNamesAnEngine(t *testing.T) {
	for url, want := range map[string]address{
		"localhost:1":                  {kind: Dflockd, hosts: []string{"localhost:1"}},
		"127.0.0.1:6388":               {kind: Dflockd, hosts: []string{"127.0.0.1:6388"}},
		"[::1]:65535":                  {kind: Dflockd, hosts: []string{"[::1]:65535"}},
		"dflockd://localhost:1/":       {kind: Dflockd, hosts: []string{"localhost:1"}},
		"etcd://a:1":                   {kind: Etcd, hosts: []string{"a:1"}},
		"etcd://a:1,b:2":               {kind: Etcd, hosts: []string{"a:1", "b:2"}},
		"redis://127.0.0.1:6379":       {kind: Redis, hosts: []string{"127.0.0.1:6379"}},
		"redis://127.0.0.1:6379/3":     {kind: Redis, hosts: []string{"127.0.0.1:6379"}, path: "3"},
		"redis://redis.example.com:1/": {kind: Redis, hosts: []string{"redis.example.com:1"}},
	} {
		got, err := parse(url)
		require.NoError(t, err, url)
		require.Equal(t, want, got)
	}
}

func TestWhatIsNoURLOfAnEngineSaysWhatOneIs(t *testing.T) {
	for _, bad := range []string{
		"", "localhost", ":6388", "localhost:", "localhost:0", "localhost:65536", "localhost:-1", "localhost:http", "a b:1", "::1:6388",
		"etcd://", "etcd://a:1,", "redis://:hush@a:1", "redis://a:1?x",
	} {
		require.ErrorContains(t, Check(bad), "want host:port", bad)
	}
	require.ErrorContains(t, Check("redis://a:1,b:2"), "only an etcd cluster has several")
	require.ErrorContains(t, Check("redis://a:1/x"), "the number of a database")
	require.ErrorContains(t, Check("etcd://a:1/x"), "want nothing behind the port")
	require.ErrorContains(t, Check("zookeeper://a:1"), "dflockd://, etcd:// or redis://")
	_, err := ParseKind("zookeeper")
	require.ErrorContains(t, err, `"zookeeper": want dflockd, etcd or redis`)
}

func TestAnEngineThatIsNotThereIsNamedWithTheWayToHaveOne(t *testing.T) {
	const unused = "127.0.0.1:1" // no program is given this port who asks for any
	for url, says := range map[string][]string{
		unused:              {"at " + unused + ": nothing listens there", "--port 1", "go run ./dflockd/cmd/dflockd"},
		"redis://" + unused: {"at " + unused + ": nothing listens there", "-engine redis starts one"},
		"etcd://" + unused:  {unused, "-engine etcd starts one"},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			err := Reach(url, slot.Fixed("k", 1))
			for _, text := range says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func TestServerOfAnotherKindIsNotTakenForOne(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	address := s.Listener.Addr().String()
	require.ErrorContains(t, Reach(address, slot.Fixed("k", 1)), "at "+address+": an HTTP server answers there, and no dflockd")
}
