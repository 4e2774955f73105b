package dflockd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// peer is a scripted server: its answer function says what it sends for each
// request. The default behaves like an original server that has slots to give.
type peer struct {
	*network
	t *testing.T
	// answer returns the line to send, "" for none, or "close".
	answer func(from int, r wire.Request) string
	closed func(from int) // called when a connection is gone; may be nil

	mu       sync.Mutex
	requests []heard
	conns    []net.Conn
	tokens   int
	acquired map[string]string // key → the token that an enqueue was granted, until its wait
	forgets  bool              // requests are not kept
}

// heard is a request and the connection that it came over, counted from 0.
type heard struct {
	from int
	wire.Request
}

func newPeer(t *testing.T, answer func(from int, r wire.Request) string) *peer {
	p := &peer{t: t, answer: answer, acquired: map[string]string{}}
	p.network = newNetwork(p.handle)
	return p
}

func (p *peer) handle(c net.Conn) {
	defer c.Close()
	p.mu.Lock()
	from := len(p.conns)
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	if p.closed != nil {
		defer p.closed(from)
	}
	r := bufio.NewReader(c)
	for {
		req, err := readRequest(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		if !p.forgets {
			p.requests = append(p.requests, heard{from, req})
		}
		p.mu.Unlock()
		switch line := p.answer(from, req); line {
		case "":
		case "close":
			return
		default:
			if _, err := io.WriteString(c, line+"\n"); err != nil {
				return
			}
		}
	}
}

func readRequest(r *bufio.Reader) (wire.Request, error) {
	var lines [3]string
	for i := range lines {
		s, err := r.ReadString('\n')
		if err != nil {
			return wire.Request{}, err
		}
		lines[i] = s[:len(s)-1]
	}
	return wire.ParseRequest([]byte(lines[0]), []byte(lines[1]), []byte(lines[2]))
}

// say sends a line that nobody asked for over a connection.
func (p *peer) say(from int, line string) {
	p.mu.Lock()
	c := p.conns[from]
	p.mu.Unlock()
	_, _ = io.WriteString(c, line+"\n")
}

// token returns a new token as it goes over the wire.
func (p *peer) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens++
	return fmt.Sprintf("%032x", p.tokens)
}

// enqueued returns the token for an enqueue, and waited the same one for the
// wait that follows it, or a new one.
func (p *peer) enqueued(key string) string {
	token := p.token()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acquired[key] = token
	return token
}

func (p *peer) waited(key string) string {
	p.mu.Lock()
	token, ok := p.acquired[key]
	delete(p.acquired, key)
	p.mu.Unlock()
	if ok {
		return token
	}
	return p.token()
}

// heardAll returns the requests so far.
func (p *peer) heardAll() []heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// seen returns the commands of the requests so far, but for hello.
func (p *peer) seen() []wire.Command {
	p.mu.Lock()
	defer p.mu.Unlock()
	var cs []wire.Command
	for _, r := range p.requests {
		if r.Command != wire.Hello {
			cs = append(cs, r.Command)
		}
	}
	return cs
}

func (p *peer) count(c wire.Command) int {
	n := 0
	for _, s := range p.seen() {
		if s == c {
			n++
		}
	}
	return n
}

// last returns the last request of a command.
func (p *peer) last(c wire.Command) heard {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.requests, func(r heard) bool { return r.Command == c })
	for j := len(p.requests) - 1; j > i; j-- {
		if p.requests[j].Command == c {
			return p.requests[j]
		}
	}
	if i < 0 {
		p.t.Fatalf("no %v was sent", c)
	}
	return p.requests[i]
}

// grants answers as an original server with free slots does.
func (p *peer) grants(r wire.Request) string {
	seconds := r.Lease
	if seconds == 0 {
		seconds = 33
	}
	switch r.Command {
	case wire.SemLock, wire.Lock:
		return fmt.Sprintf("ok %s %d", p.token(), seconds)
	case wire.SemWait, wire.Wait:
		return fmt.Sprintf("ok %s 5", p.waited(r.Key))
	case wire.SemEnqueue, wire.Enqueue:
		return fmt.Sprintf("acquired %s %d", p.enqueued(r.Key), seconds)
	case wire.SemRenew, wire.Renew:
		return fmt.Sprintf("ok %d", seconds)
	case wire.SemRelease, wire.Release, wire.Leave, wire.Auth, wire.StableRef:
		return "ok"
	default:
		return "error"
	}
}

// generous is a script that grants everything.
func generous(t *testing.T) *peer {
	var p *peer
	p = newPeer(t, func(_ int, r wire.Request) string { return p.grants(r) })
	return p
}
