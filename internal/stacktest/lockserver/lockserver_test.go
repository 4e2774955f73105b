package lockserver_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

const source = `package main

import (
	"flag"
	"net"
	"os"
)

func main() {
	host, port := flag.String("host", "", ""), flag.String("port", "", "")
	flag.Parse()
	if len(flag.Args()) != 1 || os.Getenv("DFLOCKD_PORT") != "" {
		os.Exit(1)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(*host, *port))
	if err != nil {
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err == nil {
			c.Write([]byte(flag.Arg(0)))
			c.Close()
		}
	}
}
`

func TestStartReturnsWhenTheProgramAnswers(t *testing.T) {
	program := build(t)
	t.Setenv("DFLOCKD_PORT", "1") // of somebody else
	address, cmd := lockserver.Start(t, program, "hello")
	require.NotZero(t, cmd.Process.Pid)
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	said := make([]byte, 5)
	_, err = c.Read(said)
	require.NoError(t, err)
	require.Equal(t, "hello", string(said))
}

// A port that others are given could be theirs before the program listens.
func TestFreeAddressIsNoneThatTheSystemGivesToOthers(t *testing.T) {
	var from, to int
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &from, &to)
	}
	if err != nil || from < 32768 {
		t.Skip("the system does not say which ports it gives, or gives nearly all")
	}
	for range 100 {
		_, port, err := net.SplitHostPort(lockserver.FreeAddress(t))
		require.NoError(t, err)
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		require.Less(t, n, from)
	}
}

func TestOriginalIsSkippedWhereItIsNotNamed(t *testing.T) {
	t.Setenv(lockserver.Variable, "/the/program")
	require.Equal(t, "/the/program", lockserver.Original(t))
	t.Setenv(lockserver.Variable, "")
	t.Run("unnamed", func(t *testing.T) {
		defer func() { require.True(t, t.Skipped()) }()
		lockserver.Original(t)
	})
}

func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	program := filepath.Join(dir, "program.exe")
	out, err := exec.Command("go", "build", "-o", program, filepath.Join(dir, "main.go")).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}
