package main

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
)

// partial ends the name of an output that is not complete.
const partial = ".part"

// An output is a compressed file.
type output struct {
	file
	sum        string // SHA-256 of the compressed file, hexadecimal
	compressed int64  // its size
}

// A compressor makes outputs.
type compressor struct {
	in, out string
	flaky   float64
	seed    uint64
	writers sync.Pool // of *gzip.Writer, which are large
}

func newCompressor(s settings) *compressor {
	return &compressor{
		in: s.in, out: s.out, flaky: s.flaky, seed: s.seed,
		writers: sync.Pool{New: func() any { return gzip.NewWriter(nil) }},
	}
}

// errFlaky is what -flaky makes of an attempt.
var errFlaky = errors.New("failed on purpose (-flaky)")

// compress makes the output of a file. It stops when ctx ends, and leaves
// nothing under the output's name unless it is complete.
func (c *compressor) compress(ctx context.Context, f file) (output, error) {
	if c.fails(ctx, f) {
		return output{}, fmt.Errorf("%s: %w", f.path, errFlaky)
	}
	o, err := c.write(ctx, f)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return output{}, middleware.Permanent(err) // trying again will not help
	}
	return o, err
}

func (c *compressor) write(ctx context.Context, f file) (_ output, err error) {
	in, err := os.Open(filepath.Join(c.in, filepath.FromSlash(f.path)))
	if err != nil {
		return output{}, err
	}
	defer in.Close()
	final := filepath.Join(c.out, filepath.FromSlash(f.output()))
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return output{}, err
	}
	temporary, err := os.Create(final + partial)
	if err != nil {
		return output{}, err
	}
	defer func() {
		if err != nil {
			temporary.Close()
			os.Remove(final + partial)
		}
	}()

	sum := sha256.New()
	written := &counter{w: io.MultiWriter(temporary, sum)}
	if err := c.gzip(written, reader{ctx, in}); err != nil {
		return output{}, err
	}
	if err := temporary.Close(); err != nil {
		return output{}, err
	}
	// The file's own time marks the output as made of this version of it.
	if err := os.Chtimes(final+partial, f.modified, f.modified); err != nil {
		return output{}, err
	}
	if err := os.Rename(final+partial, final); err != nil {
		return output{}, err
	}
	return output{f, hex.EncodeToString(sum.Sum(nil)), written.n}, nil
}

func (c *compressor) gzip(w io.Writer, r io.Reader) error {
	z := c.writers.Get().(*gzip.Writer)
	defer c.writers.Put(z)
	z.Reset(w)
	if _, err := io.Copy(z, r); err != nil {
		return err
	}
	return z.Close()
}

// fails draws whether an attempt is to fail: the same for the same seed, file
// and attempt.
func (c *compressor) fails(ctx context.Context, f file) bool {
	job, _ := pool.FromContext(ctx)
	h := fnv.New64a()
	io.WriteString(h, f.path)
	return rand.New(rand.NewPCG(c.seed+uint64(job.Attempt)<<32, h.Sum64())).Float64() < c.flaky
}

// A reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}

// A counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
