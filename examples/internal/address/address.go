// Package address is about the address of a dflockd server that a user gave.
package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/slot"
)

// patience is how long a server may take to answer.
const patience = 4 * time.Second

// Check says what is wrong with the form of address.
func Check(address string) error {
	host, port, err := net.SplitHostPort(address)
	n, notNumber := strconv.Atoi(port)
	if err != nil || notNumber != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, " \t\r\n") {
		return fmt.Errorf("%q: want host:port, such as 127.0.0.1:6388", address)
	}
	return nil
}

// Reach reports whether the server at address answers and grants slots of
// limits: somebody may use the same key with another limit. It takes 4 s at
// most.
func Reach(address string, limits dflockd.Limits) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("no answer in time"))
	defer cancel()
	src, err := dflockd.NewSource(limits, dflockd.WithServers(address), dflockd.WithConnectTimeout(patience))
	if err != nil {
		return err
	}
	defer src.Close(ctx)
	if err := src.Ping(ctx); err != nil {
		return fmt.Errorf("no dflockd server answers at %s (%w); start one with: go run ./dflockd/cmd/dflockd%s",
			address, reason(err), flags(address))
	}
	held, ok, err := slot.Try(ctx, src, "")
	if err != nil {
		return fmt.Errorf("claim a slot at %s: %w", address, err)
	}
	if ok {
		return held.Release()
	}
	return nil
}

// reason is what a client's error says beside what Reach says itself.
func reason(err error) error {
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		return op
	case errors.Is(err, dflockd.ErrProtocol):
		return errors.New("what listens there is none")
	case errors.Is(err, dflockd.ErrAuth):
		return dflockd.ErrAuth
	}
	return err
}

// flags are those that make dflockd listen at address.
func flags(address string) string {
	host, port, _ := net.SplitHostPort(address)
	flags := " --port " + port
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		flags = " --host " + host + flags
	}
	return flags
}
