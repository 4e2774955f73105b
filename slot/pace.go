package slot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

var (
	_ Source      = (*paced)(nil)
	_ Trier       = (*paced)(nil)
	_ Limiter     = (*paced)(nil)
	_ Partitioner = (*paced)(nil)

	_ Abandoner = (*pacedSlot)(nil)
	_ Liner     = (*pacedTicket)(nil)
)

// A Pacer is a Source whose engine can grant slots at a pace, by a clock of its own that
// all its clients share. [Pace] uses it, and adds what a pace asks of the holder; few
// call it themselves.
type Pacer interface {
	Source

	// AtPace returns the source for claims with a pace: the first in line is granted a
	// slot when its limit allows, and besides the clock of the name, which lets one go
	// in each interval, and burst of them after a rest. It is no other source, it costs
	// next to nothing, and its Close does nothing. It is a Trier if the source is.
	//
	// The interval is from 1 ns to 24 hours, the burst from 1 to 10,000. Where claims of
	// one name have different paces there is one clock all the same: a grant uses up the
	// claim's own interval of it, and waits until no more than its own burst is used up.
	// Claims without a pace do not touch it, and wait behind those with one that stand in
	// front of them in the line.
	//
	// A claim fails with an error that matches errors.ErrUnsupported if the engine has
	// no such clock.
	AtPace(interval time.Duration, burst int) Source
}

// A Turner is a Source from which [Pace] can have turns, where the engine has no clock:
// slots of other semaphores, that each start has to hold for a time.
type Turner interface {
	Source

	// Turns returns a source of the same engine with the limits [Limits.Turns]. Its
	// Close does nothing.
	Turns(burst int) Source
}

// Pace returns a source whose slots are granted at a rate, over all machines: a claim
// gets one when the limit of its name allows, and besides the rate. So "five at once and
// ten in a second" is one claim, no start is lost while all slots are busy, none is made
// up for after that, and none comes while the key is paused.
//
//	src := slot.Pace(engine, slot.PerSecond(10), 1) // engine has slot.Keyed("site:", 5)
//
// In any window of time at most
//
//	burst + rate × (window + J)
//
// starts of a key reach what the jobs use, where J is half of 1/rate, and 5 ms at least:
// so long a slot may have been granted when something starts under it ([Info].StartBy).
// A pool gives back one that has waited longer for a worker, counts it (LateSlots in its
// Stats), and claims another; so does [Do]. Each has cost its key a start. Beyond this the
// contract does not reach: what the network delays on its way from the engine, or a
// process that is stopped, comes later than it was granted.
//
// A burst of 1 spaces starts evenly; a larger one lets as many go at once after a rest.
// Slots are SingleUse. A slot that is given back unused counts as a start.
//
// The rate is a claim's own, like its limit, and may change by a rolling deploy. Claims of
// one name with different rates share one clock: see [Pacer]. In a mix of 5 and 10 a
// second there are between 5 and 10. An engine may forget its clock in a restart: then
// there can be one burst more.
//
// An engine that is no [Pacer], or whose server is none, has the rate made of turns, if it
// is a [Turner]: once a claim has its slot it waits for one of burst slots of another
// semaphore, called as [Limits.Turns] says, which is kept for burst/rate and then let go by
// a timer. The contract is the same, and this is the price:
//
//   - two claims for each start, and the slot is held while it waits for its turn;
//   - the rate is a little lower, by the time that a release and a grant take;
//   - a process that dies gives its turns back early, unless the engine is strict; there
//     the leases have to end;
//   - starts follow the line of the turns, and claims without a pace pass those with one;
//   - Close waits until the last turn is over, as that of [MinHold].
//
// What else the source can do is asked of src ([Inspect], [Pause], [Revoke]). Of several
// sources that are put together by [All] pace the last, since a slot with a pace that waits
// for another comes too late; of [Fallback] both. Close closes src. A src that can have no pace, a rate that cannot be one (see [PerSecond]), and
// a burst that is not from 1 to 10,000 refuse every claim, and [Check] says so.
func Pace(src Source, rate Rate, burst int) Source {
	p := &paced{src: src, rate: rate, burst: burst, invalid: Check(src)}
	switch {
	case p.invalid != nil:
		return p
	case rate.check() != nil:
		p.invalid = rate.check()
		return p
	case burst < 1 || burst > gcra.MaxBurst:
		p.invalid = fmt.Errorf("slot: Pace with a burst of %d: it must be from 1 to %d", burst, gcra.MaxBurst)
		return p
	}
	p.pacer, _ = src.(Pacer)
	if t, ok := src.(Turner); ok {
		p.turns = newMinHold(t.Turns(burst))
		p.invalid = p.turns.invalid
	}
	if p.pacer == nil && p.turns == nil {
		p.invalid = fmt.Errorf("slot: Pace: a %T can have no pace: give the source of an engine, and put others around Pace", src)
	}
	return p
}

// A paced source grants the slots of its source at a rate.
type paced struct {
	src     Source
	rate    Rate
	burst   int
	invalid error // why every claim is refused, or nil

	pacer Pacer    // nil: src is none
	turns *minHold // nil: src has none
}

func (p *paced) check() error { return p.invalid }

func (p *paced) inside() []Source { return []Source{p.src} }

func (p *paced) standsFor() Source { return p.src }

// byTurns returns a source whose slots are those of src, and then a turn.
func (p *paced) byTurns(interval time.Duration) Source {
	return &all{sources: []Source{p.src, turns{p.turns, time.Duration(p.burst) * interval}}}
}

func (p *paced) Enqueue(ctx context.Context, key string) (t Ticket, err error) {
	patience, err := p.claim(key, func(src Source) (err error) {
		t, err = src.Enqueue(ctx, key)
		return err
	})
	if err != nil || patience == 0 {
		return t, err
	}
	return &pacedTicket{t, patience}, nil
}

func (p *paced) Try(ctx context.Context, key string) (s Slot, ok bool, err error) {
	patience, err := p.claim(key, func(src Source) (err error) {
		s, ok, err = Try(ctx, src, key)
		return err
	})
	if !ok || err != nil || patience == 0 {
		return s, ok, err
	}
	return &pacedSlot{s, patience}, true, nil
}

// claim has a claim for key made at a source, which is tried at another one if the engine
// has no clock. It returns how old the slot may be at a start; 0: any age, without a pace.
func (p *paced) claim(key string, try func(Source) error) (patience time.Duration, err error) {
	if p.invalid != nil {
		return 0, p.invalid
	}
	interval, err := p.rate.of(key)
	if err != nil {
		return 0, err
	}
	if interval == 0 {
		return 0, try(p.src)
	}
	err = errors.ErrUnsupported
	if p.pacer != nil {
		err = try(p.pacer.AtPace(interval, p.burst))
	}
	if p.turns != nil && errors.Is(err, errors.ErrUnsupported) {
		err = try(p.byTurns(interval))
	}
	return patienceOf(interval), err
}

// leastPatience is how old a slot may be at a start, whatever the rate: less would have
// many go back on a machine that has much to do.
const leastPatience = 5 * time.Millisecond

// patienceOf returns J: less than one start may be shifted by it.
func patienceOf(interval time.Duration) time.Duration { return max(interval/2, leastPatience) }

// Limit returns the limit of the source.
func (p *paced) Limit(key string) (int, bool) { return limitOf(p.src, key) }

// Partition returns the part of the source.
func (p *paced) Partition(key string) string { return partitionOf(p.src, key) }

// Close closes the source once no turn is kept any more.
func (p *paced) Close(ctx context.Context) error {
	if p.src == nil {
		return nil
	}
	var late error
	if p.turns != nil {
		late = p.turns.Close(ctx)
	}
	return errors.Join(late, p.src.Close(ctx))
}

// A pacedTicket is a place in line whose slot has to be used soon.
type pacedTicket struct {
	Ticket
	patience time.Duration
}

func (t *pacedTicket) Slot() (Slot, bool) {
	s, ok := t.Ticket.Slot()
	if !ok {
		return nil, false
	}
	return &pacedSlot{s, t.patience}, true
}

func (t *pacedTicket) Wait(ctx context.Context) (Slot, error) {
	s, err := t.Ticket.Wait(ctx)
	if err != nil {
		return nil, err
	}
	return &pacedSlot{s, t.patience}, nil
}

// Ahead is that of the ticket of the source.
func (t *pacedTicket) Ahead() (int, bool) { return Ahead(t.Ticket) }

// A pacedSlot is a slot under which one thing may start, and soon.
type pacedSlot struct {
	Slot
	patience time.Duration
}

// Unwrap returns the slot of the source.
func (s *pacedSlot) Unwrap() Slot { return s.Slot }

// Abandon leaves the slot to its lease.
func (s *pacedSlot) Abandon() { abandon(s.Slot) }

func (s *pacedSlot) Info() Info {
	in := s.Slot.Info()
	in.SingleUse = true
	in.StartBy = earlierDeadline(in.StartBy, in.GrantedAt.Add(s.patience-in.Age))
	return in
}

// Late reports whether it is too late to start something under s, see [Info].StartBy: then
// it is to be released, and another to be claimed.
func Late(s Slot) bool {
	by := s.Info().StartBy
	return !by.IsZero() && time.Now().After(by)
}
