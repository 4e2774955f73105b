package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Inspector  = (*Source)(nil)
	_ slot.Controller = (*Source)(nil)
)

// pauseTries is how often a pause is tried that others come before.
const pauseTries = 5

// Inspect returns who holds slots of key's semaphore and who waits, in one round trip.
// Since is known of waiters, by their own clocks, and neither Since nor Until of
// holders. While the key is paused, those who would be granted slots without that are
// among the holders: etcd does not know the difference.
func (s *Source) Inspect(ctx context.Context, key string) (slot.State, error) {
	name, entries, pause, err := s.look(ctx, "inspect", key)
	if err != nil {
		return slot.State{}, err
	}
	held := admitted(places(entries))
	state := slot.State{Name: name, Held: held, Waiting: len(entries) - held}
	if pause != nil {
		state.PausedUntil = timeOf(pause.Value)
	}
	for _, e := range entries[:min(held, slot.MaxListed)] {
		state.Holders = append(state.Holders, slot.Holder{Name: e.name, ID: e.id(), Limit: e.limit})
	}
	for _, e := range entries[held:min(len(entries), held+slot.MaxListed)] {
		state.Waiters = append(state.Waiters, slot.Waiter{Name: e.name, Limit: e.limit, Since: e.since})
	}
	return state, nil
}

// A listed claim is one that was read together with its record.
type listed struct {
	place
	record
	mod int64
}

// id returns what an operator calls the grant.
func (l listed) id() string { return fmt.Sprintf("%016x", fence(l.created, l.position)) }

func places(entries []listed) []place {
	all := make([]place, len(entries))
	for i, e := range entries {
		all[i] = e.place
	}
	return all
}

// look reads a line with its records, and the key of its pause, which may be nil.
func (s *Source) look(ctx context.Context, what, key string) (name string, entries []listed, pause *mvccpb.KeyValue, err error) {
	name, _, err = s.semaphore(ctx, s.limits, key)
	if err != nil {
		return "", nil, nil, err
	}
	within, cancel := s.request(ctx)
	defer cancel()
	prefix := s.cfg.keys.line(name)
	r, err := s.client.Get(within, prefix, clientv3.WithPrefix())
	if err != nil {
		return "", nil, nil, s.denied(what, name, s.reason(ctx, within, err), err)
	}
	for _, kv := range r.Kvs {
		p, isPause := placeOf(prefix, kv)
		switch {
		case isPause:
			pause = kv
		case p.limit > 0:
			entries = append(entries, listed{p, parseRecord(string(kv.Value)), kv.ModRevision})
		}
	}
	slices.SortFunc(entries, func(a, b listed) int { return order(a.place, b.place) })
	return name, entries, pause, nil
}

// Pause lets no slot of key's semaphore be granted for d. It takes three round trips.
// The end is kept by etcd, in whole seconds, 2 at least, and survives restarts. Whoever
// may write below the prefix is an administrator: d may be longer than slot.MaxPause,
// and 0 ends a pause.
func (s *Source) Pause(ctx context.Context, key string, d time.Duration) error {
	name, _, err := s.semaphore(ctx, s.limits, key)
	if err != nil {
		return err
	}
	if d < 0 {
		return s.wrap("pause", name, fmt.Errorf("the duration %v is negative", d))
	}
	within, cancel := s.request(ctx)
	defer cancel()
	id := pauseOf(s.cfg.keys.line(name))
	if d == 0 {
		_, err = s.client.Delete(within, id)
	} else {
		err = s.pauseLonger(within, id, d)
	}
	if err != nil {
		return s.denied("pause", name, s.reason(ctx, within, err), err)
	}
	return nil
}

// pauseLonger pauses, unless a pause is there that ends later.
func (s *Source) pauseLonger(ctx context.Context, id string, d time.Duration) error {
	until := time.Now().Add(d)
	for range pauseTries {
		there, err := s.client.Get(ctx, id)
		if err != nil {
			return err
		}
		mod := int64(0)
		for _, kv := range there.Kvs {
			mod = kv.ModRevision
			if !timeOf(kv.Value).Before(until) {
				return nil
			}
		}
		end, err := s.client.Grant(ctx, int64((d+time.Second-1)/time.Second))
		if err != nil {
			return err
		}
		r, err := s.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(id), "=", mod)).
			Then(clientv3.OpPut(id, strconv.FormatInt(until.UnixMilli(), 10), clientv3.WithLease(end.ID))).
			Commit()
		if err != nil || r.Succeeded {
			return err
		}
		s.revoke(end.ID)
	}
	return errCrossed
}

// timeOf reads the value of a pause's key: until when, by the clock of whoever paused.
func timeOf(value []byte) time.Time {
	ms, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Revoke takes back the slot of key's semaphore whose Holder has this ID, in two round
// trips: it marks the slot's key. The holder finds that at its next beat, or in the
// moment where claims of its source wait for the same semaphore; its context ends, and
// the slot is free a lease later. A holder that is not heard of loses the slot with its
// lease. A slot that was revoked or abandoned before is left as it is.
func (s *Source) Revoke(ctx context.Context, key, id string) error {
	name, entries, _, err := s.look(ctx, "revoke", key)
	if err != nil {
		return err
	}
	holders := entries[:admitted(places(entries))]
	i := slices.IndexFunc(holders, func(l listed) bool { return l.id() == id })
	if i < 0 {
		return s.wrap("revoke", name, fmt.Errorf("%w: %q", slot.ErrNoHolder, id))
	}
	if holders[i].changed {
		return nil
	}
	within, cancel := s.request(ctx)
	defer cancel()
	r, err := s.client.Txn(within).
		If(clientv3.Compare(clientv3.ModRevision(holders[i].place.id), "=", holders[i].mod)).
		Then(clientv3.OpPut(holders[i].place.id, holders[i].record.String(), clientv3.WithIgnoreLease())).
		Commit()
	switch {
	case err != nil:
		return s.denied("revoke", name, s.reason(ctx, within, err), err)
	case !r.Succeeded:
		return s.wrap("revoke", name, fmt.Errorf("%w: %q was released meanwhile", slot.ErrNoHolder, id))
	}
	return nil
}

// denied says what failed, and that it is not allowed where etcd said so.
func (s *Source) denied(what, name string, why, err error) error {
	if codeOf(err) == codes.PermissionDenied {
		why = errs.InWords(why.Error(), why, slot.ErrNotAllowed)
	}
	if errors.Is(err, errCrossed) {
		why = errs.Unavailable(err)
	}
	return s.wrap(what, name, why)
}
