package faultnet

import (
	"context"
	"net"
	"sync"
)

// A Proxy is a Net between real sockets: what connects to its address comes
// out at the server, through the conditions of the machine of its name.
type Proxy struct {
	*Net
	machine string
	l       net.Listener
	accepts sync.WaitGroup
	cancel  context.CancelFunc
}

// NewProxy returns a proxy on a loopback port to the server at the address.
// Its conditions are those of [Everybody].
func NewProxy(server string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	n := New(func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", server) })
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{Net: n, machine: "proxy", l: l, cancel: cancel}
	p.accepts.Go(func() { p.accept(ctx) })
	return p, nil
}

// Address returns where the proxy listens.
func (p *Proxy) Address() string { return p.l.Addr().String() }

func (p *Proxy) accept(ctx context.Context) {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.accepts.Go(func() {
			if p.Join(ctx, p.machine, c) != nil {
				resetConn(c)
				_ = c.Close()
			}
		})
	}
}

// Close stops listening, resets all connections and waits for what it started.
func (p *Proxy) Close() {
	_ = p.l.Close()
	p.cancel()
	p.Net.Close()
	p.accepts.Wait()
}
