package etcd

import (
	"fmt"
	"strconv"
	"strings"
)

// oldest is the first release of etcd that this package works with. Before it a
// leader that had been replaced could renew and revoke leases, a watch could miss
// changes after a compaction, and a lease be said to live that did not.
var oldest = version{3, 5, 14}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(w version) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// parseVersion reads a version such as 3.5.14 or 3.7.0-rc.1.
func parseVersion(text string) (v version, ok bool) {
	plain, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), "-")
	plain, _, _ = strings.Cut(plain, "+")
	parts := strings.Split(plain, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

// checkVersion returns what is wrong with a server's version.
func checkVersion(text string) error {
	v, ok := parseVersion(text)
	if !ok {
		return fmt.Errorf("%w: it says that its version is %q", ErrVersion, text)
	}
	if v.before(oldest) {
		return fmt.Errorf("%w: it is %s", ErrVersion, v)
	}
	return nil
}
