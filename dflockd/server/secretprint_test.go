package server

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAServerThatIsPrintedShowsNoSecret(t *testing.T) {
	srv, err := Start(t.Context(), WithInMemory(), WithSecret("s3cret-of-the-server"))
	require.NoError(t, err)
	defer srv.Close()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, srv), "s3cret")
		require.NotContains(t, fmt.Sprintf(verb, srv), fmt.Sprintf("%x", "s3cret"))
	}
}
