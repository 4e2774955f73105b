package programtest

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const source = `package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	fmt.Println("out", os.Args[1])
	fmt.Fprintln(os.Stderr, "err")
	if os.Args[1] == "stay" {
		time.Sleep(time.Minute)
	}
	os.Exit(3)
}
`

func TestProgramIsBuiltAndRun(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("main.go", []byte(source), 0o600))
	require.NoError(t, os.WriteFile("go.mod", []byte("module x\n\ngo 1.26.0\n"), 0o600))
	t.Setenv("GOWORK", "off")
	p, err := Build()
	require.NoError(t, err)
	defer p.Remove()

	r, status := p.Run(t, "go")
	require.Equal(t, 3, status)
	require.Equal(t, "out go\n", r.Out)
	require.Equal(t, "err\n", r.Err)
	require.False(t, r.Alive())

	r = p.Start(t, "stay")
	require.True(t, r.Alive())
	r.SignalAll(syscall.SIGKILL)
	require.Equal(t, -1, r.Wait())
	require.False(t, r.Alive())
}

func TestBrokenProgramIsAnErrorWithTheCompilersWords(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("main.go", []byte("package main\nfunc main() { nothing() }\n"), 0o600))
	require.NoError(t, os.WriteFile("go.mod", []byte("module x\n\ngo 1.26.0\n"), 0o600))
	t.Setenv("GOWORK", "off")
	_, err := Build()
	require.ErrorContains(t, err, "undefined: nothing")
}
