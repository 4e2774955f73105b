package slot_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// final is what an engine refuses a claim with for good, or says it does not.
type final bool

func (f final) Error() string   { return fmt.Sprintf("refused for good: %t", bool(f)) }
func (f final) Permanent() bool { return bool(f) }

func TestARefusalIsPermanentWhereWaitingCannotCureIt(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{slot.ErrKey, true},
		{fmt.Errorf("key %q: %w", "a b", slot.ErrKey), true},
		{slot.ErrClosed, true},
		{final(true), true},
		{fmt.Errorf("at some server: %w", final(true)), true},
		{errors.Join(final(false), slot.ErrUnavailable, final(true)), true},
		{final(false), false},
		{slot.ErrUnavailable, false},
		{slot.ErrLost, false},
		{context.Canceled, false},
		{errors.New("the server holds its maximum of keys"), false},
	} {
		require.Equal(t, c.want, slot.IsPermanent(c.err), "%v", c.err)
	}
}
