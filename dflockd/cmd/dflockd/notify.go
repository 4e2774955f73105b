package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A notifier tells the service manager what this process is doing, as
// sd_notify(3) does. The zero value tells nobody.
type notifier struct {
	socket   string        // where the manager listens; @ begins one without a file
	watchdog time.Duration // how often it wants to hear of us; 0: it does not
}

// newNotifier returns what the environment asks for.
func newNotifier(env environment) notifier {
	n := notifier{socket: env["NOTIFY_SOCKET"]}
	usec, err := strconv.ParseInt(env["WATCHDOG_USEC"], 10, 64)
	pid, other := env["WATCHDOG_PID"]
	if n.socket != "" && err == nil && usec > 0 && (!other || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// ready says that the server listens, or that what reloading announced is over.
func (n notifier) ready(status string) error { return n.tell("READY=1", "STATUS="+status) }

// reloading says that files are being read again.
func (n notifier) reloading() error {
	lines := []string{"RELOADING=1"}
	if usec, ok := monotonicMicros(); ok {
		lines = append(lines, fmt.Sprintf("MONOTONIC_USEC=%d", usec))
	}
	return n.tell(lines...)
}

// stopping says that the server drains.
func (n notifier) stopping() error { return n.tell("STOPPING=1", "STATUS=draining") }

// alive says that the server answers.
func (n notifier) alive() error { return n.tell("WATCHDOG=1") }

// tell sends one datagram.
func (n notifier) tell(lines ...string) error {
	if n.socket == "" {
		return nil
	}
	nc, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	defer func() { _ = nc.Close() }()
	if _, err := nc.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	return nil
}
