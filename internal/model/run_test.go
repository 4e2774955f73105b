package model_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// memory is what one run of the checker may use, in MiB. Two run at a time.
	memory = 2800
	// depth is how long a run of the model the checker may follow, in steps. The
	// stack for them is part of the memory.
	depth = 5_000_000
)

// explore has the checker explore a configuration, broken or not, until it
// finds an error or has seen all.
func explore(ctx context.Context, dir string, c config, flags ...string) (result, error) {
	pml, err := filepath.Abs(c.file)
	if err != nil {
		return result{}, err
	}
	spin := []string{"-a"}
	for _, a := range append(c.args, flags...) {
		spin = append(spin, "-D"+a)
	}
	compile := []string{"-w", "-O1", "-DNOREDUCE", fmt.Sprintf("-DMEMLIM=%d", memory), "-o", "pan", "pan.c"}
	run := []string{fmt.Sprintf("-m%d", depth)}
	if c.live() {
		compile = append(compile, "-DNFAIR=4")
		run = append(run, "-a", "-f")
	} else {
		compile = append(compile, "-DSAFETY")
	}
	var out []byte
	var took time.Duration
	for _, command := range [][]string{
		append(append([]string{"spin"}, spin...), pml),
		append([]string{"gcc"}, compile...),
		append([]string{"./pan"}, run...),
	} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = dir
		out, err = cmd.CombinedOutput()
		if err != nil {
			return result{}, fmt.Errorf("%v: %w\n%s", command, err, out)
		}
		took += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	r, err := parse(string(out))
	r.took = took
	return r, err
}

// reproduce says how to see the run in which the checker found an error.
func reproduce(c config, flags ...string) string {
	args := ""
	for _, a := range append(c.args, flags...) {
		args += " -D" + a
	}
	fair := "-DSAFETY"
	run := ""
	if c.live() {
		fair, run = "-DNFAIR=4", " -a -f"
	}
	return fmt.Sprintf("spin -a%s %s && gcc -w -O1 -DNOREDUCE %s -o pan pan.c && ./pan -m%d%s && spin -t -p -g%s %s",
		args, c.file, fair, depth, run, args, c.file)
}

// installed says what is missing, or "".
func installed() string {
	for _, program := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed: apt-get install spin gcc"
		}
	}
	return ""
}

// form says how much is to be explored: nothing, which is what go test does by
// itself, the short form, or all.
func form() string { return os.Getenv("BERTH_MODEL") }

// whole reports whether the large configurations are to be explored too.
func whole() bool { return form() != "" && form() != "short" }
