package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/berth-go/berth/slot"
)

// A growth is what an engine has seen, or holds, when it is measured.
type growth struct{ claims, held, waiting int }

const (
	growers = 64 // claim at once
	crowd   = "crowd"
)

func (g growth) check(way string) error {
	if (g.claims > 0 || g.held > 0 || g.waiting > 0) && way != "dflockd" && way != "etcd" && way != "redis" {
		return fmt.Errorf("%s has nothing that grows", way)
	}
	return nil
}

// begin makes it so, and returns what ends it. It has a source of its own, as another
// process would.
func (g growth) begin(o options) (end func(), err error) {
	if g == (growth{}) {
		return func() {}, nil
	}
	opened, err := ways[o.way](options{way: o.way, addr: o.addr, limit: 1})
	if err != nil {
		return nil, err
	}
	b := opened.(*berth)
	end = func() { _ = b.close() }
	if err := g.fill(b.src); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

func (g growth) fill(src slot.Source) error {
	ctx := context.Background()
	err := each(g.claims, func(i int) error {
		held, err := claim(ctx, src, "before-"+strconv.Itoa(i%growers))
		if err != nil {
			return err
		}
		return held.Release()
	})
	if err != nil {
		return err
	}
	if err := each(g.held, func(i int) error { _, err := claim(ctx, src, "held-"+strconv.Itoa(i)); return err }); err != nil {
		return err
	}
	if g.waiting == 0 {
		return nil
	}
	if _, err := claim(ctx, src, crowd); err != nil {
		return err
	}
	return each(g.waiting, func(int) error { _, err := src.Enqueue(ctx, crowd); return err })
}

// each calls f with each number below n, from several goroutines, and returns the first
// error.
func each(n int, f func(i int) error) error {
	var mu sync.Mutex // guards first
	var first error
	var running sync.WaitGroup
	for g := range growers {
		running.Go(func() {
			for i := g; i < n; i += growers {
				if err := f(i); err != nil {
					mu.Lock()
					defer mu.Unlock()
					first = err
					return
				}
			}
		})
	}
	running.Wait()
	return first
}
