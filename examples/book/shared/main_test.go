package main

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/berth-go/berth/dflockd/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	srv, err := server.Start(context.Background(), server.WithAddress("127.0.0.1:0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	done := make(chan error)
	for _, name := range []string{"west", "east"} {
		go func() { done <- run(context.Background(), srv.Addr().String(), name, 2) }()
	}
	fmt.Println(<-done, <-done)
	// Unordered output:
	// west prints page 1
	// east prints page 1
	// west prints page 2
	// east prints page 2
	// <nil> <nil>
}
