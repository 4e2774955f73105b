package etcd

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// This file has the names of keys in etcd. With the prefix "berth/" the line of
// "report:7" is
//
//	berth/l/report%3A7/a                                          there while it is paused
//	berth/l/report%3A7/c/00000002/326963a02758b527/00000000      a claim
//
// A claim's key names its limit, the lease that it hangs on and a number. Limits
// come first, and a pause in front of them, so that the first two keys of a line
// tell whether it is paused and which limit is the smallest: with their number that
// is all a new claim has to know.

const (
	// longestName is how many bytes the name of a semaphore has at most.
	longestName = 1024
	// largestLimit is what the digits of a key have room for.
	largestLimit = 1<<31 - 1

	pausePart = "a"
	claimPart = "c/"
)

// A layout says where the keys of a source are.
type layout struct{ root string }

// line returns the prefix of the keys of a semaphore.
func (l layout) line(name string) string { return l.root + "l/" + url.QueryEscape(name) + "/" }

// session returns the key by which a source is known while its lease lives.
func (l layout) session(lease int64) string { return fmt.Sprintf("%ss/%016x", l.root, uint64(lease)) }

// pauseOf returns the key that is there while a line is paused.
func pauseOf(prefix string) string { return prefix + pausePart }

// claimID returns the key of a claim in a line.
func claimID(prefix string, limit int, lease int64, number int) string {
	return fmt.Sprintf("%s%s%08x/%016x/%08x", prefix, claimPart, limit, uint64(lease), number)
}

// limitOf returns the limit of the claim whose key this is, and false for any other
// key of the line.
func limitOf(prefix, id string) (int, bool) {
	rest, ok := strings.CutPrefix(id, prefix+claimPart)
	digits, _, found := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(digits, 16, 31)
	return int(n), ok && found && err == nil && n > 0
}

// checkClaim returns what makes a name and a limit unusable here.
func checkClaim(name string, limit int) error {
	switch {
	case len(name) > longestName:
		return errs.Permanently(errs.InWords(fmt.Sprintf("the key has %d bytes, more than %d", len(name), longestName), slot.ErrKey))
	case limit > largestLimit:
		return errs.Permanently(fmt.Errorf("the limit %d is above %d", limit, largestLimit))
	}
	return nil
}

// checkLimits returns what can be known to be wrong with limits without a key.
func checkLimits(l slot.Limits) error {
	if err := l.Check(); err != nil {
		return err
	}
	name, _ := l.Name()
	return checkClaim(name, 1)
}

// checkPrefix returns what is wrong with the prefix of all keys.
func checkPrefix(root string) error {
	if root == "" || strings.HasPrefix(root, "\x00") {
		return errors.New("WithPrefix: the prefix is empty")
	}
	if !strings.HasSuffix(root, "/") {
		return fmt.Errorf("WithPrefix: %q does not end in a slash, so it could be a part of somebody else's key", root)
	}
	return nil
}
