package process

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// descendants returns the processes below root that are alive, parents first, and
// leaves out those of without and what is below them.
func descendants(root int, without []int) []int {
	var found []int
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, pid := range children(queue[0]) {
			if slices.Contains(without, pid) || slices.Contains(found, pid) {
				continue
			}
			queue = append(queue, pid)
			if alive(pid) {
				found = append(found, pid)
			}
		}
	}
	return found
}

// children returns the children of a process: each thread has those that it forked.
func children(pid int) []int {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil // it has ended, and its children are somebody else's
	}
	var all []int
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if os.IsNotExist(err) && !listsChildren() {
			return childrenByParent(pid)
		}
		for field := range bytes.FieldsSeq(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// listsChildren reports whether this kernel has the files that list children.
func listsChildren() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
}

// childrenByParent is children for a kernel that does not list them: it looks at
// every process of the machine.
func childrenByParent(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, ok := stat(child); ok && parent == pid {
			all = append(all, child)
		}
	}
	return all
}

// alive reports whether a process runs or could run. One that has ended and was not
// reaped by its parent does nothing any more.
func alive(pid int) bool {
	state, _, ok := stat(pid)
	return ok && state != "Z" && state != "X"
}

// stat returns the state of a process and its parent. The name in front of them can
// contain anything, so they are counted from its closing bracket.
func stat(pid int) (state string, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}
