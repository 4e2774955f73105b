package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

var (
	// ErrVersion is returned when a member of the cluster is older than etcd
	// 3.5.14. It is permanent: somebody has to upgrade the cluster.
	ErrVersion = errs.Permanently(errors.New("etcd before 3.5.14 can lose slots: upgrade the cluster"))

	// ErrAuth is returned when etcd refuses the client's user, or the user may not
	// read and write below the prefix. It is permanent until etcd has let this source
	// do something once; after that it is an outage, and matches slot.ErrUnavailable
	// too: users and roles are changed.
	ErrAuth = errors.New("etcd refuses this client: give clientv3.Config a user that may read and write below the prefix (see WithPrefix)")

	// ErrSpace is returned when etcd's database is full and takes no claims.
	ErrSpace = errors.New("the database of etcd is full: turn auto-compaction on, defragment it, and disarm the alarm (etcdctl alarm disarm)")

	// ErrClosed is returned by a source that was closed, and by its tickets. It
	// matches slot.ErrClosed too, and is permanent.
	ErrClosed = errs.Permanently(errs.InWords("closed", slot.ErrClosed))

	// ErrRefused is returned when etcd refuses a request for a reason that this
	// package has no other name for. The text says which.
	ErrRefused = errors.New("etcd refused the request")
)

// Reasons for which slots and places are lost.
var (
	errExpired   = errors.New("the lease was not renewed in time")
	errNoVersion = errors.New("no member has said its version")
	errNoLease   = errors.New("etcd has ended the lease")
	errTaken     = errors.New("its key in etcd is gone: somebody deleted it")
	errLate      = errors.New("the grant had run out when it arrived")
	errUntaken   = errors.New("the slot was granted, and nobody asked for it before its lease ended")
	errCut       = errors.New("etcd did not answer in time; slots may stay held until their leases end")
	errRevoked   = errs.InWords("an operator took it back", slot.ErrRevoked)
	errCrossed   = errors.New("its transaction was crossed by others time and again")
	errNotMoved  = errors.New("an abandoned slot could not be moved to a lease of its own, so what is held stays until the lease ends")
)

// Error says what was asked for, for which semaphore and of which cluster, when
// something failed.
type Error = slot.Error

// engine is what errors call this package.
const engine = "etcd"

// A failure is why a request to etcd failed.
type failure struct {
	err     error // in our words, with etcd's own inside
	applied bool  // it may have been carried out all the same
}

// failed says what an error of the client means. known says that etcd has let this
// source in before.
func failed(ctx context.Context, err error, known bool) failure {
	// A server's answer is certain. Without one, the request may be on its way yet.
	_, answered := rpctypes.Error(err).(rpctypes.EtcdError)
	code := codeOf(err)
	switch {
	case code == codes.PermissionDenied, code == codes.Unauthenticated,
		errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty):
		return failure{err: refusedUser(err, known)}
	case errors.Is(err, rpctypes.ErrNoSpace):
		return failure{err: errs.InWords(ErrSpace.Error(), ErrSpace, err)}
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return failure{err: errs.Permanently(errs.InWords(
			fmt.Sprintf("etcd takes fewer than %d operations in a transaction: start it with --max-txn-ops=128 or more", maxOps), ErrRefused, err))}
	case errors.Is(err, rpctypes.ErrNoLeader), errors.Is(err, rpctypes.ErrTooManyRequests), errors.Is(err, rpctypes.ErrLeaseNotFound):
		return failure{err: errs.Unavailable(fmt.Errorf("etcd cannot serve it now: %w", err))}
	case answered && code != codes.Unavailable && code != codes.DeadlineExceeded && code != codes.Canceled && code != codes.Unknown:
		return failure{err: errs.InWords("etcd refused the request: "+text(err), ErrRefused, err)}
	}
	return failure{errs.InWords(silence(ctx, err, known), slot.ErrUnavailable, err), true}
}

// silence says what may be wrong where no answer has come.
func silence(ctx context.Context, err error, known bool) string {
	what := "etcd cannot be reached (" + text(err) + ")"
	if ctx.Err() != nil {
		what = "no answer in time: etcd cannot be reached, has no leader or is overloaded"
	}
	if known {
		return what
	}
	return what + ". Is it running there? To try it on this machine: etcd --auto-compaction-retention=5m"
}

// refusedUser is permanent until the user has been right once.
func refusedUser(err error, known bool) error {
	err = errs.InWords(ErrAuth.Error()+": "+text(err), ErrAuth, err)
	if known {
		return errs.Unavailable(err)
	}
	return errs.Permanently(err)
}

func codeOf(err error) codes.Code {
	var answer rpctypes.EtcdError
	if errors.As(err, &answer) {
		return answer.Code()
	}
	return status.Code(err)
}

// text returns what an error says, without what only programmers of gRPC know.
func text(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}
