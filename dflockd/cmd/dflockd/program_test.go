package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// A program is the server in a process of its own.
type program struct {
	cmd     *exec.Cmd
	address string // of the first listener
	ended   chan struct{}

	mu    sync.Mutex // guards lines
	more  sync.Cond  // on mu: there is another line, or there will be none
	lines []string
	eof   bool
}

// startProgram starts the program on a free loopback port. It ends with the
// test.
func startProgram(t *testing.T, args ...string) *program {
	return startProgramIn(t, nil, append([]string{"--port", "0"}, args...)...)
}

// startProgramIn is startProgram with an environment and nothing but args.
func startProgramIn(t *testing.T, env []string, args ...string) *program {
	p := launch(t, env, args...)
	p.address = p.logged(t, `listening"? ?.*address"?[=:]"?([^ "]+)`)
	return p
}

// launch does not wait until it listens.
func launch(t *testing.T, env []string, args ...string) *program {
	p := &program{cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	p.more.L = &p.mu
	p.cmd.Env = append([]string{}, env...)
	log, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go p.read(log)
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
	return p
}

// read reads the log until the process ends.
func (p *program) read(log io.Reader) {
	defer close(p.ended)
	scan := bufio.NewScanner(log)
	for scan.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, scan.Text())
		p.more.Broadcast()
		p.mu.Unlock()
	}
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eof = true
	p.more.Broadcast()
}

// logged waits for a line that matches, takes it, and returns its group, or
// the whole match if it has none. It ends the program if that takes too long.
func (p *program) logged(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	patience := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer patience.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for seen := 0; ; {
		for ; seen < len(p.lines); seen++ {
			if m := re.FindStringSubmatch(p.lines[seen]); m != nil {
				p.lines = slices.Delete(p.lines, seen, seen+1)
				return m[len(m)-1]
			}
		}
		if p.eof {
			require.FailNow(t, "the program ended without this line", "%s\n%q", pattern, p.lines)
		}
		p.more.Wait()
	}
}

// rest returns what was logged and not taken, when the process has ended.
func (p *program) rest() []string {
	<-p.ended
	return p.lines
}

// wait waits for the end of the process and returns its status.
func (p *program) wait() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(sig))
}

func (p *program) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	return nc, newReader(nc)
}

func newReader(nc net.Conn) *bufio.Reader { return bufio.NewReader(nc) }

// get returns the status and the body of a page on the metrics address.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("http://" + address + path)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// freeAddress returns a loopback address that nobody listened on a moment ago.
func freeAddress(t *testing.T) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(lockserver.FreeAddress(t))
	require.NoError(t, err)
	return host, port
}

// certificate writes a self-signed certificate for loopback, and its key.
func certificate(t *testing.T, certFile, keyFile, name string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600))
}
