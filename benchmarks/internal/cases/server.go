package cases

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/plain"
	"github.com/berth-go/berth/benchmarks/internal/proc"
)

// A flavour is whose server a side runs against, and how.
type flavour struct {
	ours   bool
	secure bool // TLS and a secret
}

var (
	original       = flavour{}
	ours           = flavour{ours: true}
	originalSecure = flavour{secure: true}
)

const secret = "a-secret-of-the-benchmarks"

// A server is a server in a process of its own. Its owner calls stop.
type server struct {
	flavour
	*proc.Process
	plain.Dialer
	certs certificates
}

// start starts a server that holds as many keys as anybody wants and does not
// cut silent connections.
func (e *Env) start(f flavour) (*server, error) {
	binary, err := e.binary(f)
	if err != nil {
		return nil, err
	}
	addr, err := proc.FreePort()
	if err != nil {
		return nil, err
	}
	s := &server{flavour: f, Dialer: plain.Dialer{Addr: addr}}
	_, port, _ := net.SplitHostPort(addr)
	args := []string{"--host", "127.0.0.1", "--port", port, "--max-locks", "4000000", "--read-timeout", "3600"}
	if f.secure {
		if s.certs, err = e.certs(); err != nil {
			return nil, err
		}
		s.TLS, s.CAFile, s.Secret = s.certs.client, s.certs.certFile, secret
		args = append(args, "--tls-cert", s.certs.certFile, "--tls-key", s.certs.keyFile, "--auth-token", secret)
	}
	if s.Process, err = proc.Start(binary, args...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Answering(ctx, addr); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w", filepath.Base(binary), err)
	}
	return s, nil
}

func (e *Env) binary(f flavour) (string, error) {
	if f.ours {
		return e.build()
	}
	return e.original()
}

// Processor time of a benchmark with a server.
const (
	serverCPU = "server-µs/job"
	clientCPU = "client-µs/job" // of the process that runs the benchmark
)

// meter returns a function that reports the processor time that was used since
// meter was called.
func (s *server) meter() (report func(b *testing.B) error, err error) {
	server, err := s.CPU()
	client := proc.OwnCPU()
	return func(b *testing.B) error {
		b.ReportMetric(perJob(proc.OwnCPU()-client, b.N), clientCPU)
		now, err := s.CPU()
		b.ReportMetric(perJob(now-server, b.N), serverCPU)
		return err
	}, err
}

func perJob(d time.Duration, jobs int) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(jobs)
}
