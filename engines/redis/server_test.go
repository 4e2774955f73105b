package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// A program is a redis-server that a test has started, with a folder of its own. It is
// reached over a socket in that folder, so that no port is needed.
type program struct {
	t      testing.TB
	dir    string
	args   []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// needServer skips the test where no redis-server is on the path. CI has one.
func needServer(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has to have redis-server on the path")
		}
		t.Skip("not run with a real server: redis-server is not on the path")
	}
}

// startServer starts a server with the given settings, which is stopped with the test.
func startServer(t testing.TB, settings ...string) *program {
	t.Helper()
	needServer(t)
	dir, err := os.MkdirTemp("", "berth-redis") // short: the path of a socket has 107 bytes at most
	require.NoError(t, err)
	p := &program{t: t, dir: dir, args: append([]string{
		"--port", "0", "--unixsocket", filepath.Join(dir, "s"), "--dir", dir, "--save", "", "--daemonize", "no",
	}, settings...)}
	t.Cleanup(func() {
		p.kill()
		_ = os.RemoveAll(dir)
	})
	p.start()
	return p
}

// start starts the program and waits until it answers.
func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command("redis-server", p.args...)
	log, err := os.Create(filepath.Join(p.dir, "log"))
	require.NoError(p.t, err)
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(p.t, p.cmd.Start())
	p.exited = make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	c := p.client()
	defer c.Close()
	for end := time.Now().Add(time.Minute); c.Ping(p.t.Context()).Err() != nil; time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.exited:
			p.t.Fatal("the server has ended: ", p.log())
		default:
			require.True(p.t, time.Now().Before(end), "the server does not answer: %s", p.log())
		}
	}
}

func (p *program) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(text)
}

// kill ends the program as a crash does.
func (p *program) kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

func (p *program) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(p.dir, "s"))
}

// client returns a client of the program that a test closes itself.
func (p *program) client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{
		Addr:   fmt.Sprintf("redis at %s", p.dir),
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) },
	})
}
