package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/faultnet"
)

// hangs is after how long a round that lasts for a minute at most hangs.
const hangs = 20 * time.Minute

// build builds the tests of each package.
func (s *soak) build(ctx context.Context) error {
	for _, p := range s.parts {
		program := s.program(p)
		if _, err := os.Stat(program); err == nil {
			continue
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./"+p.folder)
		cmd.Dir = s.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building the tests of %s: %w\n%s", p.folder, err, out)
		}
	}
	return nil
}

func (s *soak) program(p *part) string {
	return filepath.Join(s.dir, strings.ReplaceAll(p.folder, "/", "-")+".test")
}

// round runs a part with its next seeds, and adds up what it did.
func (s *soak) round(ctx context.Context, p *part, amount int) error {
	seed := p.next
	p.next++
	if p.seeds {
		p.next = seed + uint64(amount)
	}
	file := filepath.Join(s.dir, "counts")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	set := []string{fmt.Sprintf("%s=%d", p.amount, amount), fmt.Sprintf("BERTH_SEED=%d", seed)}
	began := time.Now()
	out, failed := s.runTest(ctx, p, append(set, counts.Variable+"="+file)...)
	if ctx.Err() != nil {
		p.next = seed
		return nil
	}
	took := time.Since(began)
	p.rounds++
	p.last, p.pace = amount, float64(amount)/took.Seconds()
	if failed != nil {
		s.fail(p, failed, out, replay(p, out, set))
		return nil
	}
	all, err := counts.Read(file)
	if err != nil {
		return fmt.Errorf("%s counted nothing: %w", p.test, err)
	}
	for _, of := range all {
		p.did = of.Plus(p.did)
		fmt.Fprintf(s.out, "%s  %-12s seed %d, %.0f s: %v\n", time.Now().UTC().Format(time.TimeOnly), p.name, seed, took.Seconds(), of)
	}
	s.watch.sample(p.crowded)
	return nil
}

// runTest runs the test of a part in the folder of its package, where it expects to
// be.
func (s *soak) runTest(ctx context.Context, p *part, set ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(ctx, hangs+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program(p), "-test.run=^"+p.test+"$", "-test.timeout="+hangs.String())
	cmd.Dir = filepath.Join(s.root, filepath.FromSlash(p.folder))
	cmd.Env = append(os.Environ(), set...)
	if p.crowded {
		cmd.Env = append(cmd.Env, "SOAK_SERVER="+s.watch.address)
	}
	cmd.Cancel = ownGroup(cmd)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err = cmd.Run()
	return text.String(), err
}

// fail notes a round that failed, and says how to have it again.
func (s *soak) fail(p *part, err error, out, again string) {
	p.violations++
	s.failures = append(s.failures, failure{p, again})
	fmt.Fprintf(s.out, "\nFAILED: %s: %v\n%s\nto have it again:\n%s\n\n", p.name, err, tail(out, 60), again)
}

// replay returns the command that replays a round: that which the test itself has
// printed, since it may know a part of the round that is enough.
func replay(p *part, out string, set []string) string {
	again := ""
	for line := range strings.Lines(out) {
		if _, command, ok := strings.Cut(line, faultnet.AgainPrefix); ok {
			again = strings.TrimSpace(command)
		}
	}
	if again != "" {
		return again
	}
	return fmt.Sprintf("%s go test -run '^%s$' ./%s", strings.Join(set, " "), p.test, p.folder)
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
