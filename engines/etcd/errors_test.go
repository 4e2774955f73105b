package etcd

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

func TestWhatAFailureMeansIsKnown(t *testing.T) {
	alive := context.Background()
	over, cancel := context.WithCancel(alive)
	cancel()
	for name, c := range map[string]struct {
		ctx       context.Context
		err       error
		known     bool
		matches   error
		permanent bool
		applied   bool
		says      string
	}{
		"nobody listens":        {alive, status.Error(codes.Unavailable, "connection refused"), false, slot.ErrUnavailable, false, true, "connection refused). Is it running there?"},
		"nobody listens now":    {alive, status.Error(codes.Unavailable, "connection refused"), true, slot.ErrUnavailable, false, true, "cannot be reached (connection refused)"},
		"no answer":             {over, context.DeadlineExceeded, true, slot.ErrUnavailable, false, true, "no answer in time"},
		"no leader":             {alive, rpctypes.ErrNoLeader, true, slot.ErrUnavailable, false, false, "no leader"},
		"the leader changed":    {alive, rpctypes.ErrLeaderChanged, true, slot.ErrUnavailable, false, true, "leader changed"},
		"timed out at etcd":     {alive, rpctypes.ErrTimeout, true, slot.ErrUnavailable, false, true, "timed out"},
		"too many requests":     {alive, rpctypes.ErrTooManyRequests, true, slot.ErrUnavailable, false, false, "too many requests"},
		"no lease":              {alive, rpctypes.ErrLeaseNotFound, true, slot.ErrUnavailable, false, false, "lease not found"},
		"full":                  {alive, rpctypes.ErrNoSpace, true, ErrSpace, false, false, "auto-compaction"},
		"few operations":        {alive, rpctypes.ErrTooManyOps, true, ErrRefused, true, false, "--max-txn-ops"},
		"permission":            {alive, rpctypes.ErrPermissionDenied, false, ErrAuth, true, false, "permission denied"},
		"permission lost":       {alive, rpctypes.ErrPermissionDenied, true, slot.ErrUnavailable, false, false, "permission denied"},
		"no user":               {alive, rpctypes.ErrUserEmpty, false, ErrAuth, true, false, "user name is empty"},
		"wrong password":        {alive, rpctypes.ErrAuthFailed, false, ErrAuth, true, false, "authentication failed"},
		"token":                 {alive, rpctypes.ErrInvalidAuthToken, true, ErrAuth, false, false, "invalid auth token"},
		"something else":        {alive, rpctypes.ErrRequestTooLarge, true, ErrRefused, false, false, "too large"},
		"permission, before it": {over, rpctypes.ErrPermissionDenied, false, ErrAuth, true, false, "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			f := failed(c.ctx, c.err, c.known)
			require.ErrorIs(t, f.err, c.matches)
			require.ErrorIs(t, f.err, c.err, "the engine's own error is inside")
			require.Equal(t, c.permanent, slot.IsPermanent(f.err))
			require.Equal(t, c.applied, f.applied)
			require.ErrorContains(t, f.err, c.says)
			require.NotContains(t, f.err.Error(), "rpc error")
		})
	}
}

func TestALossIsSaidOnceAndKeepsItsCauses(t *testing.T) {
	err := &Error{Engine: engine, Op: "hold", Key: "x", Server: "a:1", Err: errs.Lost(errRevoked)}
	require.EqualError(t, err, `etcd: hold "x" at a:1: slot lost: an operator took it back`)
	require.ErrorIs(t, err, slot.ErrLost)
	require.ErrorIs(t, err, slot.ErrRevoked)
	require.True(t, slot.IsPermanent(fmt.Errorf("x: %w", ErrClosed)))
	require.True(t, errors.Is(ErrClosed, slot.ErrClosed))
}

func TestEachStateHasAName(t *testing.T) {
	names := map[string]bool{}
	for st := stateAsked; st <= stateDone; st++ {
		names[st.String()] = true
	}
	require.Len(t, names, int(stateDone)+1)
}
