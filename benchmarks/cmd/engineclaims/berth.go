package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/engines/etcd"
	"github.com/berth-go/berth/engines/redis"
	"github.com/berth-go/berth/slot"
)

// A berth claims with berth's source on an engine, from as many goroutines as there are
// workers.
type berth struct {
	src    slot.Source
	calls  func() (int64, error) // what the engine has counted; nil: it gives fences
	grants [][]grant             // by worker
	end    func() error
}

// A grant is known by its key and fence: the engine gives no other of the key the same.
type grant struct {
	key   string
	fence uint64
}

// openBerth returns how to open the way of berth on an engine.
func openBerth(engine func(o options, limits slot.Limits) (*berth, error)) func(o options) (way, error) {
	return func(o options) (way, error) {
		b, err := engine(o, slot.Keyed("", o.limit))
		if err != nil {
			return nil, err
		}
		b.grants = make([][]grant, max(1, o.workers))
		return b, nil
	}
}

func (b *berth) under(ctx context.Context, worker int, key string, job func()) error {
	held, err := claim(ctx, b.src, key)
	if err != nil {
		return err
	}
	job()
	if b.calls == nil {
		b.grants[worker] = append(b.grants[worker], grant{key, held.Info().Fence})
	}
	return held.Release()
}

func claim(ctx context.Context, src slot.Source, key string) (slot.Slot, error) {
	ticket, err := src.Enqueue(ctx, key)
	if err != nil {
		return nil, err
	}
	if held, ok := ticket.Slot(); ok {
		return held, nil
	}
	return ticket.Wait(ctx)
}

// counted counts the fences of each key.
func (b *berth) counted() (int64, error) {
	if b.calls != nil {
		return b.calls()
	}
	seen := map[grant]bool{}
	for _, grants := range b.grants {
		for _, g := range grants {
			if g.fence == 0 {
				return 0, fmt.Errorf("the engine gave a slot of %q without a fence", g.key)
			}
			seen[g] = true
		}
	}
	return int64(len(seen)), nil
}

func (b *berth) close() error {
	ctx, cancel := brief()
	defer cancel()
	return errors.Join(b.src.Close(ctx), b.end())
}

func dflockdSource(o options, limits slot.Limits) (*berth, error) {
	src, err := dflockd.NewSource(limits, dflockd.WithServers(o.addr), dflockd.WithFence())
	return &berth{src: src, end: func() error { return nil }}, err
}

func etcdSource(o options, limits slot.Limits) (*berth, error) {
	client, err := etcdClient(o)
	if err != nil {
		return nil, err
	}
	src, err := etcd.NewSource(client, limits)
	return &berth{src: src, end: client.Close}, err
}

func etcdClient(o options) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{o.addr}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
}

func redisSource(o options, limits slot.Limits) (*berth, error) {
	client := goredis.NewClient(&goredis.Options{Addr: o.addr})
	src, err := redis.NewSource(client, limits, redis.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	// The script sets the number of each claim that it takes, in one call of SET.
	return &berth{src: src, end: client.Close, calls: func() (int64, error) { return redisCalls(client, "set") }}, err
}
