//go:build unix && !linux

package process

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
)

// system is what a Tree needs besides.
type system struct{ roots []int } // besides the command: see Adopt

// newSystem adopts no orphans: init gets them.
func newSystem() (system, error) { return system{}, nil }

func attributes(c Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: c.Group}
}

// awaited is the command alone: what else is run here, such as ps, is waited for by
// whoever runs it.
func (t *Tree) awaited() int { return t.pid }

// find asks ps. Caller holds mu.
func (t *Tree) find() []int {
	roots := slices.Clone(t.system.roots)
	if !t.exited {
		roots = append(roots, t.pid)
	}
	list := exec.Command("ps", "-axo", psColumns)
	out, err := list.Output()
	if err != nil {
		return roots // at least those
	}
	return below(parsePS(string(out)), roots, []int{t.pid}, []int{os.Getpid(), list.Process.Pid})
}

// emptied reports whether nothing is found once the command has ended. Caller holds
// mu.
func (t *Tree) emptied() bool { return len(t.find()) == 0 }

// Adopt has the tree below pid ended too: a process that the command has started,
// and that belongs to nobody here when the command ends first.
func (t *Tree) Adopt(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.system.roots = append(t.system.roots, pid)
}
