package faultnet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A Kind is a kind of fault.
type Kind uint8

// The kinds of faults.
const (
	Partition Kind = iota // nothing passes, dials hang
	LostUp                // what clients send does not arrive
	LostDown              // what the server sends does not arrive
	Freeze                // nothing passes, dials succeed
	Slow                  // everything is late
	Split                 // everything comes in single bytes
	Reset                 // the connections are reset
	HalfClose             // the clients read the end of the stream
	Restart               // the server is stopped and another one started
	kinds
)

var kindNames = [kinds]string{
	"partition", "lost up", "lost down", "freeze", "slow", "split", "reset", "half close", "restart",
}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Kinds returns all kinds.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// A Fault is something that befalls a machine, or [Everybody], for a while.
type Fault struct {
	After   time.Duration // since the last fault ended
	Kind    Kind
	Machine string
	For     time.Duration
}

// String describes the fault in a line.
func (f Fault) String() string {
	who := f.Machine
	if who == Everybody {
		who = "everybody"
	}
	return fmt.Sprintf("after %v: %v of %s for %v", f.After, f.Kind, who, f.For)
}

// A Plan is a sequence of faults. The same seed gives the same plan.
type Plan struct {
	Seed   uint64
	Faults []Fault
}

// NewPlan draws faults of the given kinds until they fill the span. Most are
// short, about as long as the time given; some last for longer, and some last
// for a moment. Between two of them is a calm of up to as long.
func NewPlan(seed uint64, span, about time.Duration, machines []string, of []Kind) Plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed}
	for left := span; left > 0; {
		f := Fault{
			After: time.Duration(rng.Int64N(int64(2 * about))),
			Kind:  of[rng.IntN(len(of))],
			For:   time.Duration(rng.Int64N(int64(about))),
		}
		switch rng.IntN(4) {
		case 0:
			f.For *= 4
		case 1:
			f.For /= 100
		}
		if who := rng.IntN(len(machines) + 1); who > 0 && f.Kind != Restart {
			f.Machine = machines[who-1]
		}
		p.Faults = append(p.Faults, f)
		left -= f.After + f.For
	}
	return p
}

// String lists the faults, one a line.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan of seed %d:\n", p.Seed)
	for f := range slices.Values(p.Faults) {
		fmt.Fprintf(&b, "\t%v\n", f)
	}
	return b.String()
}

// Run has the faults befall the network, one after the other. To restart the
// server it calls restart, which stops it at once and starts another after the
// time given. Run returns when all is over, or with ctx's cause when ctx ends;
// then no fault is left behind.
func (p Plan) Run(ctx context.Context, n *Net, restart func(down time.Duration)) error {
	for _, f := range p.Faults {
		if err := f.Run(ctx, n, restart); err != nil {
			return err
		}
	}
	return nil
}

// Run waits until the fault is due, has it befall the network, and returns
// when it is over. See [Plan.Run].
func (f Fault) Run(ctx context.Context, n *Net, restart func(down time.Duration)) error {
	if err := pause(ctx, f.After); err != nil {
		return err
	}
	switch f.Kind {
	case Reset:
		n.Reset(f.Machine)
		return nil
	case HalfClose:
		n.HalfClose(f.Machine)
		return nil
	case Restart:
		restart(f.For)
		return nil
	}
	n.Set(f.Machine, f.conditions())
	defer n.Set(f.Machine, Conditions{})
	return pause(ctx, f.For)
}

func (f Fault) conditions() Conditions {
	switch f.Kind {
	case Partition:
		return Conditions{HoldUp: true, HoldDown: true}
	case LostUp:
		return Conditions{HoldUp: true}
	case LostDown:
		return Conditions{HoldDown: true}
	case Freeze:
		return Conditions{Frozen: true}
	case Slow:
		return Conditions{Delay: f.For / 20}
	default:
		return Conditions{Split: true}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
