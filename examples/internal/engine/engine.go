package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-go/berth/slot"
)

// A Kind is one of the engines.
type Kind string

// The engines that there are.
const (
	Dflockd Kind = "dflockd"
	Etcd    Kind = "etcd"
	Redis   Kind = "redis"
)

// kinds has a row for each engine.
var kinds = map[Kind]struct {
	open  func(a address) (*Engine, error)
	start func(out io.Writer) (*Started, error)
	port  string // in examples
	hint  string // how to have one
}{
	Dflockd: {openDflockd, startDflockd, "6388", "in this repository, dflockd is: go run ./dflockd/cmd/dflockd"},
	Etcd:    {openEtcd, startEtcd, "2379", "-engine etcd starts one"},
	Redis:   {openRedis, startRedis, "6379", "-engine redis starts one"},
}

// Kinds returns the names of all engines, for people.
func Kinds() string {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		names = append(names, string(k))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// ParseKind returns the kind of that name.
func ParseKind(name string) (Kind, error) {
	if _, ok := kinds[Kind(name)]; !ok {
		return "", fmt.Errorf("%q: want %s", name, Kinds())
	}
	return Kind(name), nil
}

// A pinger is a source that can ask its engine whether it answers.
type pinger interface {
	Ping(ctx context.Context) error
}

// An Engine is a connection to an engine, or several, that sources share.
type Engine struct {
	Kind   Kind
	source func(l slot.Limits, lease time.Duration) (slot.Source, error)
	close  func() error // what Source does not close
}

// Open opens the engine that a URL names. It connects to nothing.
//
//	dflockd://host:port   or host:port alone
//	etcd://host:port,host:port
//	redis://host:port/database
func Open(url string) (*Engine, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	return kinds[a.kind].open(a)
}

// Check says what is wrong with the form of a URL.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// KeepsLeases reports whether the engine at url keeps the slots of a process that dies
// until their leases end, however it was started.
func KeepsLeases(url string) bool {
	a, err := parse(url)
	return err == nil && a.kind != Dflockd
}

// Source returns a source of slots that stay held for lease when nobody renews them;
// 0: for as long as is usual. It is closed before the engine.
func (e *Engine) Source(l slot.Limits, lease time.Duration) (slot.Source, error) {
	return e.source(l, lease)
}

// Close ends the connections.
func (e *Engine) Close() error { return e.close() }

// patience is how long an engine may take to answer.
const patience = 4 * time.Second

// Reach reports whether the engine at url answers and grants slots of limits: an
// original dflockd does not while somebody uses the same key with another limit. The
// error says what to do. It takes 4 s at most.
func Reach(url string, limits slot.Limits) (err error) {
	e, err := Open(url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("no answer in time"))
	defer cancel()
	src, err := e.Source(limits, 0)
	if err != nil {
		return err
	}
	defer src.Close(ctx)
	if err := ping(ctx, src); err != nil {
		return fmt.Errorf("%w; %s", err, kinds[e.Kind].hint)
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

func ping(ctx context.Context, src slot.Source) error {
	if p, ok := src.(pinger); ok {
		return p.Ping(ctx)
	}
	_, err := slot.Inspect(ctx, src, "") // any answer will do
	return err
}
