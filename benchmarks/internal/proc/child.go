package proc

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// childVariable names the role that a re-executed program plays instead of its
// own.
const childVariable = "BERTH_BENCHMARK_ROLE"

// A Role is what this program does when it has been started by StartChild. It
// prints the line "ready" once it has done its work, and then waits for its
// standard input to end.
type Role func(args []string) error

// RunRole plays the role that StartChild asked for and exits, or returns at
// once in a program that was started the usual way. It belongs at the top of
// main and of TestMain.
func RunRole(roles map[string]Role) {
	name := os.Getenv(childVariable)
	if name == "" {
		return
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// StartChild starts this very program again in a role and waits until it says
// that it is ready. The child ends with Stop, or when this process does.
func StartChild(role string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	ready, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	cmd.Stdout = out
	p, err := start(cmd)
	_ = out.Close()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	line, err := bufio.NewReader(ready).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		p.Stop()
		return nil, fmt.Errorf("child %q did not get ready (%v): %s", role, err, p.Output())
	}
	return p, nil
}
