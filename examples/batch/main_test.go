package main

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/berth-go/berth/examples/internal/programtest"
)

// built is the program as its users run it.
var built *programtest.Program

func TestMain(m *testing.M) {
	var err error
	if built, err = programtest.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		built.Remove()
		os.Exit(status)
	}))
}
