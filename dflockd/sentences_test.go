package dflockd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
	"github.com/berth-go/berth/slot"
)

// listening is our server on a real socket.
func listening(t *testing.T, opts ...server.Option) string {
	t.Helper()
	srv, err := server.Start(context.Background(), append(opts, server.WithAddress("127.0.0.1:0"))...)
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	return srv.Addr().String()
}

// answering is a listener whose connections are handled by f.
func answering(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	return ln.Addr().String()
}

// TestEachCauseHasItsSentence runs into each trouble on real sockets, and holds
// the whole error: what happened, to which key and server, and what to do. Which
// server it was, "at", and its port and numbers that differ from run to run are
// left out.
func TestEachCauseHasItsSentence(t *testing.T) {
	cert, pool := certificate(t, "127.0.0.1")
	other, otherPool := certificate(t, "other.example")
	nameless, _ := certificate(t, "127.0.0.1")
	withTLS := func(pool *x509.CertPool) Option { return WithTLS(&tls.Config{RootCAs: pool}) }
	serving := func(c tls.Certificate) server.Option {
		return server.WithTLS(&tls.Config{Certificates: []tls.Certificate{c}})
	}
	mutual := server.WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	for name, tc := range map[string]struct {
		address   func(t *testing.T) string
		opts      []Option
		want      string
		permanent bool
	}{
		"nobody there": {
			address: func(t *testing.T) string { return lockserver.FreeAddress(t) },
			want:    `nothing listens there: start a server with "dflockd --host 127.0.0.1 --port PORT", or correct the address (WithServers)`,
		},
		"a name that does not resolve": {
			address: func(*testing.T) string { return "dflockd.invalid:6388" },
			opts: []Option{WithDialer(func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "dflockd.invalid", IsNotFound: true}}
			})},
			want: `the name "dflockd.invalid" does not resolve: correct it (WithServers), or have it put into the name service`,
		},
		"a name service that is not there": {
			address: func(*testing.T) string { return "dflockd.invalid:6388" },
			opts: []Option{WithDialer(func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "dflockd.invalid", IsTemporary: true}}
			})},
			want: `the name "dflockd.invalid" could not be looked up (server misbehaving): is the name service there?`,
		},
		"a machine that is down": {
			address: func(t *testing.T) string { return lockserver.FreeAddress(t) },
			opts: []Option{WithConnectTimeout(time.Millisecond), WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})},
			want: `no connection within 1ms (WithConnectTimeout): the machine is down, the address is wrong, or a firewall is in between`,
		},
		"TLS here alone": {
			address: func(t *testing.T) string { return listening(t) },
			opts:    []Option{withTLS(pool)},
			want:    `what answers there does not speak TLS: start the server with --tls-cert and --tls-key, or do without WithTLS`,
		},
		"TLS there alone": {
			address: func(t *testing.T) string { return listening(t, serving(cert)) },
			want:    `the server speaks TLS: use WithTLS`,
		},
		"TLS there alone, and a secret": {
			address: func(t *testing.T) string { return listening(t, serving(cert)) },
			opts:    []Option{WithAuth("barley")},
			want:    `the server speaks TLS: use WithTLS`,
		},
		"TLS there alone, as the original server does it": {
			address: func(t *testing.T) string {
				return answering(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 99)) })
			},
			want: `the server closed the connection without an answer: it has all the connections that it may have (--max-connections), or speaks TLS (WithTLS), or is no dflockd`,
		},
		"a wrong authority": {
			address: func(t *testing.T) string { return listening(t, serving(nameless)) },
			opts:    []Option{withTLS(pool)},
			want:    `its certificate was signed by an authority that is not trusted here: give that one (RootCAs of WithTLS)`,
		},
		"a wrong name": {
			address: func(t *testing.T) string { return listening(t, serving(other)) },
			opts:    []Option{withTLS(otherPool)},
			want:    `its certificate is for other.example, and not for 127.0.0.1: correct the address (WithServers), or say whose it should be (ServerName of WithTLS)`,
		},
		"no certificate of the client's": {
			address: func(t *testing.T) string { return listening(t, mutual) },
			opts:    []Option{withTLS(pool)},
			want:    `the server broke off TLS (certificate required): it may ask for a certificate of this client's (Certificates of WithTLS)`,
		},
		"a server that is full": {
			address: full,
			want:    `the server closed the connection without an answer: it has all the connections that it may have (--max-connections), or speaks TLS (WithTLS), or is no dflockd`,
		},
		"a server with a secret that is full": {
			address: full,
			opts:    []Option{WithAuth("barley")},
			want:    `the server closed the connection without an answer: it has all the connections that it may have (--max-connections), or speaks TLS (WithTLS), or was shown too many wrong secrets from here, or is no dflockd`,
		},
		"a server with TLS that is full": {
			address: full,
			opts:    []Option{withTLS(pool)},
			want:    `the server closed the connection before the TLS handshake: it has all the connections that it may have (--max-connections), or is no dflockd`,
		},
		"a slow authentication": {
			address: silent,
			opts:    []Option{WithAuth("barley"), WithConnectTimeout(10 * time.Millisecond), patientDial},
			want:    `no answer to the secret within 10ms (WithConnectTimeout): the server is frozen or overloaded, or speaks TLS (WithTLS)`,
		},
		"a slow hello": {
			address: silent,
			opts:    []Option{WithConnectTimeout(10 * time.Millisecond), patientDial},
			want:    `it takes the connection and says nothing within 10ms (WithConnectTimeout): the server is frozen or overloaded, or speaks TLS (WithTLS), or is no dflockd`,
		},
		"a slow TLS handshake": {
			address: silent,
			opts:    []Option{withTLS(pool), WithConnectTimeout(10 * time.Millisecond), patientDial},
			want:    `no TLS handshake within 10ms (WithConnectTimeout): the server is frozen or overloaded, or does not speak TLS`,
		},
		"a wrong secret": {
			address:   func(t *testing.T) string { return listening(t, server.WithSecret("sesame")) },
			opts:      []Option{WithAuth("barley")},
			want:      `the server refused the secret: give the one that it was started with (WithAuth)`,
			permanent: true,
		},
		"no secret": {
			address:   func(t *testing.T) string { return listening(t, server.WithSecret("sesame")) },
			want:      `the server asks for a secret: give it (WithAuth)`,
			permanent: true,
		},
		"a secret too many": {
			address:   func(t *testing.T) string { return listening(t) },
			opts:      []Option{WithAuth("barley")},
			want:      `the server was shown a secret and has none: start it with --auth-token-file, or do without WithAuth`,
			permanent: true,
		},
		"an HTTP server": {
			address: func(t *testing.T) string {
				s := httptest.NewServer(http.NotFoundHandler())
				t.Cleanup(s.Close)
				return s.Listener.Addr().String()
			},
			want: `an HTTP server answers there, and no dflockd: correct the address (WithServers)`,
		},
		"an SSH server": {
			address: func(t *testing.T) string {
				return answering(t, func(c net.Conn) {
					_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n")
					_, _ = c.Read(make([]byte, 99))
				})
			},
			want: `an SSH server answers there, and no dflockd: correct the address (WithServers)`,
		},
		"something else": {
			address: func(t *testing.T) string {
				return answering(t, func(c net.Conn) {
					_, _ = c.Read(make([]byte, 99))
					_, _ = io.WriteString(c, "-ERR unknown command 'hello'\r\n")
				})
			},
			want: `what answers there is no dflockd: correct the address (WithServers)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := tc.address(t)
			opts := append([]Option{WithServers(address), WithConnectTimeout(time.Minute)}, tc.opts...)
			src, err := NewSource(slot.Fixed("k", 1), opts...)
			require.NoError(t, err)
			defer src.Close(context.Background())
			_, err = src.Enqueue(t.Context(), "")
			host, port, _ := net.SplitHostPort(address)
			require.Equal(t, `dflockd: claim "k" at `+host+`:PORT: `+tc.want, strings.ReplaceAll(err.Error(), port, "PORT"))
			require.Equal(t, tc.permanent, slot.IsPermanent(err))
			require.Equal(t, !tc.permanent, errors.Is(err, slot.ErrUnavailable))
			_, err = Stats(t.Context(), opts...)
			require.Equal(t, `dflockd: stats at `+host+`:PORT: `+tc.want, strings.ReplaceAll(err.Error(), port, "PORT"))
		})
	}
}

// patientDial has a connection however long it takes: what comes after is what
// runs out of time.
var patientDial = WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(context.WithoutCancel(ctx), network, address)
})

// full is a server that accepts and closes at once.
func full(t *testing.T) string {
	address := listening(t, server.WithMaxConnections(1))
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return address
}

// silent is a server that accepts and says nothing.
func silent(t *testing.T) string {
	over := make(chan struct{})
	address := answering(t, func(net.Conn) { <-over })
	t.Cleanup(func() { close(over) })
	return address
}

func TestErrorsOfBadArgumentsNameNoLayerTwice(t *testing.T) {
	src, err := NewSource(slot.Keyed("p:", 1))
	require.NoError(t, err)
	defer src.Close(t.Context())
	enqueue := func(src *Source, key string) error { _, err := src.Enqueue(t.Context(), key); return err }
	source := func(l slot.Limits, opts ...Option) error { _, err := NewSource(l, opts...); return err }
	lock := func(key string, opts ...Option) error { _, err := NewLock(key, opts...); return err }
	for _, tc := range []struct {
		err  error
		want string
		key  bool
	}{
		{source(slot.Fixed("x y", 1)), `dflockd: the key "x y" contains a space`, true},
		{source(slot.Fixed("", 1)), `dflockd: the key "" is empty`, true},
		{lock("a\nb"), `dflockd: the key "a\nb" contains a control character`, true},
		{enqueue(src, "x y"), `dflockd: claim "p:x y": the key contains a space`, true},
		{enqueue(src, strings.Repeat("x", 300)), `dflockd: claim "p:` + strings.Repeat("x", 300) + `": the key is longer than 256 bytes`, true},
		{enqueue(src, ""), `dflockd: claim: the key is empty: give the job a key, or use Fixed`, true},
		{source(slot.Fixed("k", 0)), `dflockd: the limit is 0: it must be 1 or more`, false},
		{lock("k", WithAuth("a\nb")), `dflockd: WithAuth: the secret contains a control character`, false},
		{lock("k", WithServers("nowhere")), `dflockd: WithServers: "nowhere" is not host:port, such as 127.0.0.1:6388`, false},
	} {
		require.EqualError(t, tc.err, tc.want)
		require.Equal(t, tc.key, errors.Is(tc.err, slot.ErrKey), tc.want)
	}
}

// TestALimitThatTheOriginalServerRefusesHasItsSentence: each claim keeps its own where
// the server can do that.
func TestALimitThatTheOriginalServerRefusesHasItsSentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, func(_ int, r wire.Request) string {
			if r.Command == wire.Hello {
				return "error"
			}
			return "error_limit_mismatch"
		})
		src := newTestSource(t, p, slot.Fixed("k", 2))
		_, err := src.Enqueue(t.Context(), "")
		require.EqualError(t, err, `dflockd: claim "k" at 127.0.0.1:6388: the key is in use with another limit than 2: `+
			`give it the same one everywhere, or use the server of this module, where each claim keeps its own`)
		require.ErrorIs(t, err, ErrLimitMismatch)
	})
}

// TestAMistakeOfTheProgramHasItsSentence holds what is said of calls and arguments
// that need another one first.
func TestAMistakeOfTheProgramHasItsSentence(t *testing.T) {
	address := listening(t)
	lock, err := NewLock("k", WithServers(address))
	require.NoError(t, err)
	require.EqualError(t, lock.Release(), `dflockd: release "k": no slot is held: it was never acquired, or is released or closed already`)
	_, err = lock.Wait(t.Context())
	require.EqualError(t, err, `dflockd: wait "k": there is no place in line: call Enqueue first`)
	require.ErrorIs(t, err, ErrClosed)
	require.True(t, slot.IsPermanent(err))

	_, err = NewSource(slot.Fixed("k", 1), WithAcquireTimeout(1), WithAcquireTimeout(2), WithWaitForServer())
	require.EqualError(t, err, "dflockd: only for a Semaphore or a Lock: WithAcquireTimeout, WithWaitForServer")
	_, err = NewLock("k", WithServers("localhost:+1"))
	require.ErrorContains(t, err, "has no port from 1 to 65535")
}
