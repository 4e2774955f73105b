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
// limits: an original one does not while somebody uses the same key with another
// limit. The error is the client's, which says what to do. It takes 4 s at most.
func Reach(address string, limits slot.Limits) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("no answer in time"))
	defer cancel()
	src, err := dflockd.NewSource(limits, dflockd.WithServers(address), dflockd.WithConnectTimeout(patience))
	if err != nil {
		return err
	}
	defer src.Close(ctx)
	if err := src.Ping(ctx); err != nil {
		return fmt.Errorf("%w; in this repository, dflockd is: go run ./dflockd/cmd/dflockd", err)
	}
	held, ok, err := slot.Try(ctx, src, "")
	if err != nil {
		return err
	}
	if ok {
		return held.Release()
	}
	return nil
}
