package slot_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestAnErrorSaysWhatFailedForWhichKeyAndWhere(t *testing.T) {
	for want, e := range map[string]slot.Error{
		`etcd: hold "a\tb" at x:1, y:2: slot: lost`: {Op: "hold", Key: "a\tb", Server: "x:1, y:2"},
		`etcd: ping at x:1: slot: lost`:             {Op: "ping", Server: "x:1"},
		`etcd: close: slot: lost`:                   {Op: "close"},
	} {
		e.Engine, e.Err = "etcd", slot.ErrLost
		require.EqualError(t, &e, want)
		require.ErrorIs(t, fmt.Errorf("job: %w", &e), slot.ErrLost)
	}
}
