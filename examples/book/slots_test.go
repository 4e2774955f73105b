package book

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// copyPages looks at its context between two pages.
func copyPages(ctx context.Context, pages []string, copyPage func(string)) error {
	for _, page := range pages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		copyPage(page)
	}
	return nil
}

func Example_lostSlot() {
	ctx := context.Background()
	src := slottest.NewBreakable(slot.NewLocalKeyed(1))
	p, _ := pool.New(4, pool.WithSlots(src))
	task := p.Submit(func(ctx context.Context) error {
		return copyPages(ctx, []string{"one", "two", "three"}, func(page string) {
			fmt.Println("copied page", page)
			if page == "two" {
				src.Expire("archive") // as when the network is gone
			}
		})
	}, pool.Key("archive"))

	err := task.Wait(ctx)
	if errors.Is(err, slot.ErrLost) {
		fmt.Println("the slot was lost on the way")
	}
	_ = p.Shutdown(ctx)
	_ = src.Close(ctx)
	// Output:
	// copied page one
	// copied page two
	// the slot was lost on the way
}

// A store that is written to under a lock.
type store struct {
	mu    sync.Mutex
	fence uint64 // the highest that was seen
	text  string
}

var errStale = errors.New("somebody else has had the lock since")

func (s *store) write(fence uint64, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fence < s.fence {
		return errStale
	}
	s.fence, s.text = fence, text
	return nil
}

func Example_fence() {
	ctx := context.Background()
	src, stop := lockServer(slot.Fixed("report", 1))
	defer stop()
	p, _ := pool.New(1, pool.WithSlots(src), pool.WithReuse(0))
	var s store
	var fences []uint64
	write := func(ctx context.Context) error {
		info, _ := pool.FromContext(ctx)
		fences = append(fences, info.Slot.Fence)
		return s.write(info.Slot.Fence, "the report")
	}
	fmt.Println(p.Submit(write).Wait(ctx), p.Submit(write).Wait(ctx))
	fmt.Println("the first holder, later:", s.write(fences[0], "an old report"))
	_ = p.Shutdown(ctx)
	// Output:
	// <nil> <nil>
	// the first holder, later: somebody else has had the lock since
}
