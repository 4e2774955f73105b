// Command footprint counts how many files of package pool a job runs through:
//
//	go run ./internal/stacktest/footprint
//
// It builds itself with coverage, runs one job in one way, and lists the files of
// which a statement was executed between the submit and the moment at which the
// workers rest again. The making and the end of the pool do not count. Each job is
// the second one of its pool, so that the start of a worker does not count either.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/coverage"
	"slices"
	"strings"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

const (
	module = "github.com/berth-go/berth/"
	self   = module + "internal/stacktest/footprint"
)

// ways are those in which a job is run.
var ways = map[string]func(ctx context.Context, p *pool.Pool) error{
	"Go":                   goAndWait,
	"Go, under a slot":     goAndWait,
	"Submit":               submitAndWait,
	"Submit, under a slot": submitAndWait,
}

func goAndWait(ctx context.Context, p *pool.Pool) error {
	return errors.Join(p.Go(nothing), p.Wait(ctx))
}

func submitAndWait(ctx context.Context, p *pool.Pool) error { return p.Submit(nothing).Wait(ctx) }

func nothing(context.Context) error { return nil }

func main() {
	var err error
	if len(os.Args) == 3 {
		err = runJob(os.Args[1], os.Args[2])
	} else {
		err = countAll()
	}
	if err != nil {
		log.Fatal("footprint: ", err)
	}
}

// countAll counts for each way.
func countAll() error {
	dir, err := os.MkdirTemp("", "footprint")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "footprint.exe")
	packages := strings.Join([]string{self, module + "pool", module + "pool/internal/sched"}, ",")
	if _, err := output("go", "build", "-cover", "-covermode=atomic", "-coverpkg="+packages, "-o", program, self); err != nil {
		return err
	}
	for i, way := range slices.Sorted(maps.Keys(ways)) {
		files, err := count(program, way, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d files\n  %s\n", way, len(files), strings.Join(files, " "))
	}
	return nil
}

// count returns the files that a job runs through.
func count(program, way, dir string) ([]string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if _, err := output(program, way, dir); err != nil {
		return nil, err
	}
	profile := filepath.Join(dir, "profile")
	if _, err := output("go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+profile); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	return executed(string(text)), nil
}

// executed returns the files of a profile, in which each line but the first one
// is about a block: its file, where it is, and at last how often it was executed.
func executed(profile string) []string {
	files := map[string]bool{}
	for line := range strings.Lines(profile) {
		file, rest, ok := strings.Cut(strings.TrimSpace(line), ".go:")
		name, ours := strings.CutPrefix(file, module+"pool/")
		if ok && ours && !strings.HasSuffix(rest, " 0") {
			files[name+".go"] = true
		}
	}
	return slices.Sorted(maps.Keys(files))
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOCOVERDIR=") // what is covered is written by runJob
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return string(out), err
}

// runJob runs a job and writes down what was executed for it.
func runJob(way, dir string) error {
	var opts []pool.Option
	if strings.Contains(way, "slot") {
		opts = append(opts, pool.WithSlots(slot.NewLocal(2)))
	}
	p, err := pool.New(1, opts...)
	if err != nil {
		return err
	}
	if err := ways[way](context.Background(), p); err != nil {
		return err
	}
	rest()
	if err := coverage.ClearCounters(); err != nil {
		return err
	}
	if err := ways[way](context.Background(), p); err != nil {
		return err
	}
	rest()
	return errors.Join(coverage.WriteMetaDir(dir), coverage.WriteCountersDir(dir))
}

// rest waits until the workers have given back what they had. It asks nothing, as
// that would count.
func rest() { time.Sleep(300 * time.Millisecond) }
