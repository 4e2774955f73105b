package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A Tree is a command and all that it has started. Its methods may be called at
// once.
type Tree struct {
	cmd    *exec.Cmd
	job    windows.Handle // never closed: the system ends what is in it with us
	change chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards what follows
	events []Event
	exited bool
}

// Start starts the command. One tree at a time is possible in a process, whose
// only children they are from then on. Close has to be called.
func Start(c Command) (*Tree, error) {
	job, err := ownJob()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{Path: c.Path, Args: c.Args, Env: c.Env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &Tree{cmd: cmd, job: job, change: make(chan struct{}, 1), done: make(chan struct{})}
	go t.wait()
	return t, nil
}

// ownJob puts this process into a job whose processes end with the last handle of
// it: with this process. What is started from now on belongs to it.
func ownJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("create a job object: %w", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		err = windows.AssignProcessToJobObject(job, windows.CurrentProcess())
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return 0, fmt.Errorf("set up a job object: %w", err)
	}
	return job, nil
}

// wait takes note of the command's end. It owns done.
func (t *Tree) wait() {
	defer close(t.done)
	_ = t.cmd.Wait() // the code says it
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exited = true
	t.events = append(t.events, Event{Change: Exited, Code: t.cmd.ProcessState.ExitCode()})
	t.change <- struct{}{}
}

// Close stops watching. It ends nothing, and must be called once the tree is gone.
func (t *Tree) Close() { <-t.done }

// Pid returns the number of the command's process.
func (t *Tree) Pid() int { return t.cmd.Process.Pid }

// Changed has a value when there are events to be read.
func (t *Tree) Changed() <-chan struct{} { return t.change }

// Events returns what has happened since it was last called.
func (t *Tree) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events = nil
	return events
}

// Signal does nothing: the console has told the command of Ctrl-C itself.
func (t *Tree) Signal(syscall.Signal) {}

// Ask does nothing: no signal asks a process to end that has no window.
func (t *Tree) Ask() {}

// Kill ends everything that it finds. What is started meanwhile can escape it, so
// it is to be called until Gone.
func (t *Tree) Kill() {
	for _, pid := range t.Left() {
		h, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, uint32(pid))
		if err != nil {
			continue // it has ended
		}
		_ = windows.TerminateProcess(h, 1)
		_ = windows.CloseHandle(h)
	}
}

// Gone reports whether everything has ended.
func (t *Tree) Gone() bool {
	t.mu.Lock()
	exited := t.exited
	t.mu.Unlock()
	return exited && len(t.Left()) == 0
}

// Adopt is for systems on which a process can leave its tree.
func (t *Tree) Adopt(int) {}

// Left returns the processes of the job besides this one.
func (t *Tree) Left() []int {
	for room := 64; ; room *= 2 {
		// Two numbers, how many there are and how many of them are listed, and the list.
		type header struct{ assigned, listed uint32 }
		size := int(unsafe.Sizeof(header{})) + room*int(unsafe.Sizeof(uintptr(0)))
		buf := make([]uintptr, size/int(unsafe.Sizeof(uintptr(0))))
		err := windows.QueryInformationJobObject(t.job, windows.JobObjectBasicProcessIdList, uintptr(unsafe.Pointer(&buf[0])), uint32(size), nil)
		if errors.Is(err, windows.ERROR_MORE_DATA) {
			continue
		}
		if err != nil {
			return []int{t.Pid()} // what cannot be asked counts as there
		}
		h := (*header)(unsafe.Pointer(&buf[0]))
		list := buf[int(unsafe.Sizeof(header{}))/int(unsafe.Sizeof(uintptr(0))):][:h.listed]
		var pids []int
		for _, pid := range list {
			pids = append(pids, int(pid))
		}
		return slices.DeleteFunc(pids, func(pid int) bool { return pid == os.Getpid() })
	}
}
