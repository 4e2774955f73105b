package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-go/berth/dashboard"
	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/examples/internal/board"
	"github.com/berth-go/berth/examples/internal/goroot"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/tracing"
)

// run compresses the files, tells of it, and returns the exit status.
func run(s settings, stdout io.Writer) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	files, err := list(s)
	if err != nil {
		return exitFailed, err
	}
	tel, err := startTelemetry(s)
	if err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, tel.stop(context.Background())) }()
	fmt.Fprintf(stdout, "%d files, %d workers, %d slots; metrics at %s\n", len(files), s.workers, s.slots, tel.address)

	tracer, err := tracing.New(tracing.WithTracerProvider(tel.tracers), tracing.WithMeterProvider(tel.meters))
	if err != nil {
		return exitFailed, err
	}
	src, end, err := slots(s.slots)
	if err != nil {
		return exitFailed, err
	}
	defer func() { err = errors.Join(err, end()) }()
	observed := tracer.Source(src)
	defer func() { err = errors.Join(err, observed.Close(context.Background())) }()

	rec, err := dashboard.NewRecorder()
	if err != nil {
		return exitFailed, err
	}
	p, err := newPool(s, pool.WithSlots(observed), pool.WithHooks(tracer.Hooks()), pool.WithHooks(rec.Hooks()))
	if err != nil {
		return exitFailed, err
	}
	if s.http != "" {
		page, err := board.Serve(s.http, dashboard.Pool{Name: "observed", Pool: p, Recorder: rec})
		if err != nil {
			return exitFailed, err
		}
		defer page.Close()
		fmt.Fprintf(stdout, "the pool is shown at %s\n", page.URL)
	}
	failed := compressAll(ctx, s, files, p, tel)
	if err := report(ctx, tel, s, stdout); err != nil {
		return exitFailed, err
	}
	if s.keep && ctx.Err() == nil {
		fmt.Fprintf(stdout, "\nthe metrics stay at %s until Ctrl-C\n", tel.address)
		<-ctx.Done()
		return exitOK, nil
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stdout, "interrupted")
		return exitInterrupted, nil
	}
	if failed != nil {
		return exitFailed, failed
	}
	return exitOK, nil
}

// list returns the paths of the files to compress.
func list(s settings) (files []string, err error) {
	dir := s.dir
	if dir == "" {
		root, err := goroot.Dir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(root, "src", "net", "http")
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			files = append(files, path)
		}
		if len(files) == s.files {
			return filepath.SkipAll
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("-src: there are no files below %s", dir)
	}
	return files, err
}

// slots starts a dflockd server that is reached without a network, and returns
// a source of its slots and what ends the server.
func slots(n int) (slot.Source, func() error, error) {
	srv, err := server.Start(context.Background(), server.WithInMemory())
	if err != nil {
		return nil, nil, err
	}
	src, err := dflockd.NewSource(slot.Fixed("berth-observed", n), dflockd.WithServer(srv))
	end := func() error { return srv.Shutdown(context.Background()) }
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return src, end, nil
}

// newPool returns the pool, whose jobs are tried again.
func newPool(s settings, opts ...pool.Option) (*pool.Pool, error) {
	policy := middleware.MaxAttempts(5, middleware.Exponential(10*time.Millisecond, 100*time.Millisecond, middleware.Seed(s.seed)))
	return pool.New(s.workers, append(opts, pool.Use(middleware.Retry(policy)))...)
}

// compressAll runs the batch, below a span of its own, and shuts the pool down.
func compressAll(ctx context.Context, s settings, files []string, p *pool.Pool, tel *telemetry) error {
	ours := tel.tracers.Tracer("observed")
	ctx, span := ours.Start(ctx, "batch")
	defer span.End()
	var tasks []*pool.Task
	for _, path := range files {
		tasks = append(tasks, p.SubmitContext(ctx, func(ctx context.Context) error {
			return compress(ctx, ours, path, s)
		}, pool.Name(filepath.Base(path)), pool.Key(filepath.Base(filepath.Dir(path)))))
	}
	var errs []error
	for _, t := range tasks {
		errs = append(errs, t.Wait(context.Background()))
	}
	return errors.Join(append(errs, p.Shutdown(context.Background()))...)
}

var errFlaky = errors.New("made to fail by -flaky")

// compress is the job. Its context has the span of the attempt, so that spans
// made here, or by libraries that it calls, stand below that.
func compress(ctx context.Context, ours trace.Tracer, path string, s settings) error {
	info, _ := pool.FromContext(ctx)
	if safe, ok := info.Remaining(); ok {
		trace.SpanFromContext(ctx).SetAttributes(attribute.Float64("lease.remaining_s", safe.Seconds()))
	}
	if info.Attempt == 1 && unlucky(path, s) {
		return errFlaky
	}
	_, span := ours.Start(ctx, "gzip")
	defer span.End()
	in, err := os.Open(path)
	if err != nil {
		return middleware.Permanent(err)
	}
	defer in.Close()
	out, err := gzip.NewWriterLevel(io.Discard, gzip.BestCompression)
	if err != nil {
		return middleware.Permanent(err)
	}
	n, err := io.Copy(out, in)
	span.SetAttributes(attribute.Int64("bytes", n))
	return errors.Join(err, out.Close())
}

// unlucky reports whether the first attempt at a file fails on purpose.
func unlucky(path string, s settings) bool {
	h := fnv.New64a()
	io.WriteString(h, filepath.Base(path))
	return rand.New(rand.NewPCG(s.seed, h.Sum64())).Float64() < s.flaky
}
