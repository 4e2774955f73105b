package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/examples/internal/engine"
	"github.com/berth-go/berth/examples/internal/goroot"
	"github.com/berth-go/berth/examples/internal/progress"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// attempts is how often a file is tried.
const attempts = 6

// limits are what all instances with the same server share.
func limits(slots int) slot.Limits { return slot.Fixed("berth-batch", slots) }

// run does what is missing, shows it on out, and returns the exit status.
func run(s settings, out *os.File) (status int, err error) {
	stop, forget := onInterrupt()
	defer forget()
	b, err := prepare(s)
	if err != nil {
		return exitFailed, err
	}
	if err := b.startEngine(out); err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, b.endEngine()) }()
	fmt.Fprint(out, b.describe())
	if err := b.record.begin(b.todo); err != nil {
		return exitFailed, err
	}
	display := progress.New(out)
	err = errors.Join(b.work(stop, display), b.record.close())
	display.Close()
	if err != nil {
		return exitFailed, err
	}
	fmt.Fprint(out, b.summary(stop.Err() != nil))
	return b.status(stop.Err() != nil), nil
}

// onInterrupt returns a context that ends with the first Ctrl-C. The second
// ends the program: an output that is not complete has not got its name yet, so
// that nothing is spoilt.
func onInterrupt() (stop context.Context, forget func()) {
	stop, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-signals:
				if stop.Err() != nil {
					os.Exit(exitInterrupted)
				}
				cancel(errors.New("interrupted"))
			case <-done:
				return
			}
		}
	}()
	return stop, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// A batch is the work of one run.
type batch struct {
	settings
	own    *engine.Started // nil: none was started
	record *manifest
	files  int     // in the input folder
	todo   []file  // those without an output
	unread []error // parts of the input folder that could not be read

	retries    atomic.Int64 // counted by the pool's workers
	done       int
	read       int64
	compressed int64
	failed     int
	took       time.Duration
}

// prepare finds out what is to be done, and whether it can be.
func prepare(s settings) (*batch, error) {
	if s.in == "" {
		dir, err := goroot.Dir()
		if err != nil {
			return nil, err
		}
		s.in = filepath.Join(dir, "src")
	}
	if info, err := os.Stat(s.in); err != nil {
		return nil, fmt.Errorf("-in: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("-in %s: is no folder", s.in)
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return nil, fmt.Errorf("-out: %w", err)
	}
	if s.server != "" {
		if err := engine.Reach(s.server, limits(s.slots)); err != nil {
			return nil, err
		}
	}
	record, err := readManifest(s.out)
	if err != nil {
		return nil, err
	}
	b := &batch{settings: s, record: record}
	files, unread := list(s.in, s.out)
	b.files, b.unread = len(files), unread
	b.todo = missing(files, s.out, record)
	return b, nil
}

// startEngine starts the engine that was asked for, if one was.
func (b *batch) startEngine(out io.Writer) (err error) {
	if b.engine == "" {
		return nil
	}
	if b.own, err = engine.Start(b.engine, out); err == nil {
		b.server = b.own.URL
	}
	return err
}

func (b *batch) endEngine() error {
	if b.own == nil {
		return nil
	}
	return b.own.Close()
}

// describe says what is about to happen.
func (b *batch) describe() string {
	text := fmt.Sprintf("from     %s: %d files, %d of them done already\nto       %s\nworkers  %d", b.in, b.files, b.files-len(b.todo), b.out, b.workers)
	if b.server != "" {
		text += fmt.Sprintf(", who share %d slots with all instances that use %s", b.slots, b.server)
	}
	return text + "\n\n"
}

// work does what is to be done until that is all done or stop ends, and then
// finishes what has been begun.
func (b *batch) work(stop context.Context, display *progress.Display) (err error) {
	rec, err := dashboard.NewRecorder()
	if err != nil {
		return err
	}
	p, end, err := b.open(rec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if b.http != "" {
		page, err := board.Serve(b.http, dashboard.Pool{Name: "batch", Pool: p, Recorder: rec})
		if err != nil {
			return err
		}
		defer page.Close()
		display.Printf("the pool is shown at %s", page.URL)
	}
	for _, err := range b.unread {
		display.Printf("cannot be read: %v", err)
	}
	bar := display.TimedBar("files", "files", len(b.todo))
	began := time.Now()
	defer func() { b.took = time.Since(began) }()

	c := newCompressor(b.settings)
	said := false
	for o, err := range pool.Map(context.Background(), p, until(stop, b.todo), c.compress, pool.Window(b.window)) {
		if stop.Err() != nil && !said {
			said = true
			display.Printf("interrupted: finishing what has been begun; Ctrl-C again ends at once")
		}
		if err != nil {
			b.failed++
			display.Printf("failed: %v", err)
			continue
		}
		if err := b.record.add(o.output(), o.sum); err != nil {
			return err
		}
		b.done++
		b.read += o.size
		b.compressed += o.compressed
		bar.Set(b.done)
		display.Line(func() string { return b.line(time.Since(began)) })
	}
	return nil
}

// open returns the pool, which rec watches if it is to be shown, and what ends it.
func (b *batch) open(rec *dashboard.Recorder) (*pool.Pool, func() error, error) {
	// A file may be compressed again after its slot was lost on the way: the
	// half that was done is not kept.
	policy := middleware.MaxAttempts(attempts, middleware.RetryLost(middleware.Exponential(20*time.Millisecond, 2*time.Second)))
	options := []pool.Option{
		pool.WithQueue(b.window),
		pool.Use(middleware.Retry(policy)),
		pool.WithHooks(pool.Hooks{Retry: func(context.Context, pool.RetryEvent) { b.retries.Add(1) }}),
	}
	if b.http != "" {
		options = append(options, pool.WithHooks(rec.Hooks()))
	}
	slots, endSlots, err := b.slotsOf()
	if err != nil {
		return nil, nil, err
	}
	if slots != nil {
		options = append(options, pool.WithSlots(slots))
	}
	p, err := pool.New(b.workers, options...)
	if err != nil {
		return nil, nil, errors.Join(err, endSlots())
	}
	return p, func() error {
		// Nothing is queued or runs any more: this is quick.
		return errors.Join(p.Shutdown(context.Background()), endSlots())
	}, nil
}

// slotsOf returns the source of the engine, nil without one, and what ends it.
func (b *batch) slotsOf() (slot.Source, func() error, error) {
	if b.server == "" {
		return nil, func() error { return nil }, nil
	}
	e, err := engine.Open(b.server)
	if err != nil {
		return nil, nil, err
	}
	src, err := e.Source(limits(b.slots), 0)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return src, func() error { return errors.Join(src.Close(context.Background()), e.Close()) }, nil
}

// until yields the files until stop ends.
func until(stop context.Context, files []file) iter.Seq[file] {
	return func(yield func(file) bool) {
		for _, f := range files {
			if stop.Err() != nil || !yield(f) {
				return
			}
		}
	}
}

// line is what is shown now and then where there is no bar.
func (b *batch) line(took time.Duration) string {
	rate := float64(b.done) / took.Seconds()
	left := time.Duration(float64(len(b.todo)-b.done) / rate * float64(time.Second))
	return fmt.Sprintf("%5.1f s  %d of %d files  %.0f/s  %v left", took.Seconds(), b.done, len(b.todo), rate, left.Round(time.Second))
}

// status is the exit status.
func (b *batch) status(interrupted bool) int {
	switch {
	case interrupted && b.done+b.failed < len(b.todo):
		return exitInterrupted
	case b.failed > 0 || len(b.unread) > 0:
		return exitFailed
	}
	return exitOK
}

// summary says what was done.
func (b *batch) summary(interrupted bool) string {
	check := fmt.Sprintf("to check the outputs: cd %s && sha256sum --check --quiet %s\n", b.out, manifestName)
	if len(b.todo) == 0 {
		return "nothing is missing; " + check
	}
	text := fmt.Sprintf("\n%d files compressed in %.1f s, %.1f MB to %.1f MB; %d attempts were retried, %d files failed\n",
		b.done, b.took.Seconds(), float64(b.read)/1e6, float64(b.compressed)/1e6, b.retries.Load(), b.failed)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	text += fmt.Sprintf("at most %d files were in flight; %.0f MB of memory were used\n", b.window, float64(m.Sys)/1e6)
	if left := len(b.todo) - b.done; left > 0 {
		if interrupted {
			text += "interrupted; "
		}
		return text + fmt.Sprintf("%d files are missing: run it again to go on\n", left)
	}
	return text + check
}
