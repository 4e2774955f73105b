package server_test

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-go/berth/dflockd/server"
)

// A server on a free port of this machine.
func ExampleStart() {
	srv, err := server.Start(context.Background(), server.WithAddress("127.0.0.1:0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	fmt.Println("serving on", strings.Split(srv.Addr().String(), ":")[0])
	// Output: serving on 127.0.0.1
}

// Without a port, for tests. Here the protocol is spoken by hand; the package
// dflockd is the client.
func ExampleServer_Dial() {
	ctx := context.Background()
	srv, err := server.Start(ctx, server.WithInMemory(), server.WithDefaultLease(10*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	conn, err := srv.Dial(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprint(conn, "sl\ncrawl\n0 12\n") // a slot of 12, without waiting
	line, _ := bufio.NewReader(conn).ReadString('\n')
	f := strings.Fields(line)
	fmt.Printf("%s, a token of %d digits, for %s s\n", f[0], len(f[1]), f[2])
	fmt.Println(srv.Stats().Semaphores)
	// Output:
	// ok, a token of 32 digits, for 10 s
	// [{crawl 12 1 0}]
}

// Shutdown serves holders until they release. Past its context it cuts off
// what is left.
func ExampleServer_Shutdown() {
	ctx := context.Background()
	srv, err := server.Start(ctx, server.WithInMemory(), server.WithAutoRelease(false))
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := srv.Dial(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprint(conn, "l\njob\n0\n")
	_, _ = bufio.NewReader(conn).ReadString('\n')

	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	fmt.Println(srv.Shutdown(ctx))
	// Output: server: shutdown cut off 1 connections: context deadline exceeded
}
