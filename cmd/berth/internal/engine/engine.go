package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-go/berth/slot"
)

// An Engine has slots. What it can do besides, it does where its source can: see
// [slot.Inspect], [slot.Pause] and [slot.Revoke].
type Engine interface {
	slot.Source
	// Ping reports whether the engine answers.
	Ping(ctx context.Context) error
	// List returns the keys that are held or waited for. The error matches
	// errors.ErrUnsupported where the engine cannot tell.
	List(ctx context.Context) ([]Key, error)
}

// A Key is a semaphore that somebody holds or waits for.
type Key struct {
	Server  string `json:"server"` // where it lives
	Key     string `json:"key"`
	Limit   int    `json:"limit"`
	Held    int    `json:"held"`
	Waiting int    `json:"waiting"`
}

// An opener opens an engine. It connects to nothing: what does not answer is found
// by the first claim.
type opener func(at Address, s Settings, limits slot.Limits) (Engine, error)

// engines has a line for each engine: how it is opened, and how what its package calls
// the options of Go is called here.
var engines = map[string]struct {
	open  opener
	words *strings.Replacer
}{
	"dflockd": {openDflockd, dflockdWords},
	"etcd":    {openEtcd, etcdWords},
	"redis":   {openRedis, redisWords},
}

// Words says in the terms of the command line what an engine's package says in those
// of Go.
func Words(text string) string {
	for _, e := range engines {
		text = e.words.Replace(text)
	}
	return text
}

// Settings is what a user says of an engine besides what to claim.
type Settings struct {
	URL   string
	Name  string        // what others see who holds a slot; "": the host and process id
	Lease time.Duration // 0: what the engine gives
	// SecretFile has the secret; Secret is the secret itself, if there is no file.
	SecretFile string
	Secret     Secret
	TLS        TLS
	// Admin says that a person asks, who may pause keys and take slots back if the
	// engine lets him.
	Admin bool
	// Patience is how long the engine may take to answer; 0: its default.
	Patience time.Duration
}

// Open opens the engine of s.
func Open(s Settings, limits slot.Limits) (Engine, error) {
	at, err := ParseAddress(s.URL)
	if err != nil {
		return nil, err
	}
	row, ok := engines[at.Scheme]
	if !ok {
		return nil, fmt.Errorf("there is no engine %q: the URL of one begins with %s", at.Scheme, strings.Join(Schemes(), " or "))
	}
	return row.open(at, s, limits)
}

// Schemes returns the beginnings of the URLs of engines, in order.
func Schemes() []string {
	var all []string
	for _, scheme := range slices.Sorted(maps.Keys(engines)) {
		all = append(all, scheme+"://")
	}
	return all
}

// cannotList is the answer of an engine that does not know which keys there are.
func cannotList(scheme string) error {
	return fmt.Errorf("an engine of %s does not list its keys: name the key that you want to see: %w", scheme, errors.ErrUnsupported)
}
