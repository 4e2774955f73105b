package dashboard

import (
	"errors"
	"fmt"

	"github.com/berth-go/berth/pool"
)

// A Pool is one that is shown.
type Pool struct {
	// Name is what the page calls it; it must differ from those of the others.
	Name string
	// Pool is the pool, which must have been made with the hooks of Recorder. It can
	// be shown also while it is shut down and afterwards.
	Pool *pool.Pool
	// Recorder is the pool's own.
	Recorder *Recorder
}

// check says what is wrong with the pools.
func check(pools []Pool) error {
	if len(pools) == 0 {
		return errors.New("dashboard: Handler: there is no pool to show")
	}
	names, recorders := map[string]bool{}, map[*Recorder]string{}
	for i, p := range pools {
		if p.Name == "" {
			return fmt.Errorf("dashboard: Handler: pool %d has no name", i+1)
		}
		if names[p.Name] {
			return fmt.Errorf("dashboard: Handler: two pools have the name %q", p.Name)
		}
		if err := p.check(); err != nil {
			return fmt.Errorf("dashboard: Handler: pool %q: %w", p.Name, err)
		}
		if other, taken := recorders[p.Recorder]; taken {
			return fmt.Errorf("dashboard: Handler: the pools %q and %q have the same Recorder: each needs its own", other, p.Name)
		}
		names[p.Name], recorders[p.Recorder] = true, p.Name
	}
	return nil
}

func (p Pool) check() error {
	switch {
	case p.Pool == nil:
		return errors.New("the pool is nil")
	case p.Recorder == nil:
		return errors.New("the recorder is nil: make one with NewRecorder, and the pool with pool.WithHooks(recorder.Hooks())")
	case !p.Recorder.handedOut.Load():
		return errors.New("no pool has the hooks of its recorder: make the pool with pool.WithHooks(recorder.Hooks())")
	}
	return nil
}
