package address

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/slot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddressNeedsAHostAndAPort(t *testing.T) {
	for _, good := range []string{"localhost:1", "127.0.0.1:6388", "[::1]:65535"} {
		require.NoError(t, Check(good))
	}
	for _, bad := range []string{"", "localhost", ":6388", "localhost:", "localhost:0", "localhost:65536", "localhost:-1", "localhost:http", "a b:1", "::1:6388"} {
		require.ErrorContains(t, Check(bad), "want host:port", bad)
	}
}

func TestMissingServerIsNamedWithTheWayToStartOne(t *testing.T) {
	const unused = "127.0.0.1:1" // no program is given this port who asks for any
	err := Reach(unused, slot.Fixed("k", 1))
	require.ErrorContains(t, err, "at "+unused+": nothing listens there")
	require.ErrorContains(t, err, "--port 1")
	require.ErrorContains(t, err, "go run ./dflockd/cmd/dflockd")
}

func TestServerOfAnotherKindIsNotTakenForOne(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	address := s.Listener.Addr().String()
	require.ErrorContains(t, Reach(address, slot.Fixed("k", 1)), "at "+address+": an HTTP server answers there, and no dflockd")
}

func TestServerThatGrantsIsReachedWhateverItHasGranted(t *testing.T) {
	srv, err := server.Start(t.Context(), server.WithAddress("127.0.0.1:0"))
	require.NoError(t, err)
	defer srv.Shutdown(t.Context())
	address := srv.Addr().String()
	require.NoError(t, Reach(address, slot.Fixed("k", 1)))

	src, err := dflockd.NewSource(slot.Fixed("k", 1), dflockd.WithServers(address))
	require.NoError(t, err)
	defer src.Close(t.Context())
	held, ok, err := slot.Try(t.Context(), src, "")
	require.NoError(t, err)
	require.True(t, ok, "Reach has given back what it claimed")
	require.NoError(t, Reach(address, slot.Fixed("k", 1)), "all taken is no fault")
	require.NoError(t, Reach(address, slot.Fixed("k", 2)), "another limit is none either")
	require.NoError(t, held.Release())
}
