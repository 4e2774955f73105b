package process

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// system is what a Tree needs besides.
type system struct {
	before []int // children that the caller had already: none of ours
}

// newSystem makes this process the parent of whatever loses its parent below it.
func newSystem() (system, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return system{}, fmt.Errorf("the system lets this process adopt no orphans (PR_SET_CHILD_SUBREAPER): %w", err)
	}
	return system{before: children(os.Getpid())}, nil
}

func attributes(c Command) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pgid: c.Group}
	if c.Bound {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}

// awaited is any child: orphans come here, and are reaped here.
func (t *Tree) awaited() int { return -1 }

// find returns the living descendants of this process. Those that were here before
// the tree are not looked into. Caller holds mu.
func (t *Tree) find() []int { return descendants(os.Getpid(), t.system.before) }

// emptied reports whether nothing is left once the command has ended. A subreaper
// without children has no descendants: what is alive keeps its line of parents up
// to here, and one that ends hands its children over before it can be reaped. Where
// the caller had other children before, it has to be looked at: twice, since what
// changes its parent during one look can escape that one. Caller holds mu.
func (t *Tree) emptied() bool {
	if len(t.system.before) == 0 {
		return t.childless
	}
	for range 2 {
		if len(t.find()) > 0 {
			return false
		}
	}
	return true
}

// Adopt is for systems on which orphans do not come here.
func (t *Tree) Adopt(int) {}
