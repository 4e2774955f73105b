package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// A way is how jobs get their slots.
type way interface {
	// under runs a job while it has a slot of the key. Each worker makes one call at a
	// time.
	under(ctx context.Context, worker int, key string, job func()) error
	// counted returns how many claims the engine has granted, plus a constant.
	counted() (int64, error)
	close() error
}

var ways = map[string]func(o options) (way, error){
	"dflockd":    openBerth(dflockdSource),
	"etcd":       openBerth(etcdSource),
	"redis":      openBerth(redisSource),
	"mutex":      openMutexes,
	"redislock":  openRedisLock,
	"setnx":      openSetNX,
	"sorted-set": openSortedSet,
}

func wayNames() string { return strings.Join(slices.Sorted(maps.Keys(ways)), ", ") }

// patience is how long what is not measured may take.
const patience = 20 * time.Second

func brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
