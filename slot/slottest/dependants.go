package slottest

import (
	"context"
	"time"

	"github.com/berth-go/berth/internal/linkctx"
	"github.com/berth-go/berth/slot"
)

// This file checks that what is made of a slot's context ends with it, before
// anybody else can be granted the slot.

// dependants are channels of contexts that were made of a slot's.
type dependants struct {
	job    <-chan struct{} // of what a pool or slot.Do gives to its job
	joined <-chan struct{} // of what slot.All makes of several slots
	stop   func()          // forgets the contexts
}

// dependOn makes contexts of that of s, in the ways in which others do.
func dependOn(s slot.Slot) dependants {
	bare, endBare := context.WithCancel(context.Background())
	under := linkctx.Under(s.Context(), bare)
	job, endJob := context.WithTimeout(under, time.Hour)
	whole := linkctx.Join(bare, s.Context()) // the other one takes the only place that is told at once anyhow
	joined, endJoined := context.WithCancel(whole)
	return dependants{job.Done(), joined.Done(), func() {
		endJob()
		endJoined()
		under.Cancel(nil)
		whole.Cancel(nil)
		endBare()
	}}
}

func checkDependants(r *run) {
	released := r.fill()
	for _, s := range released {
		d := dependOn(s)
		_ = s.Release() // on this goroutine: another one would give the late some time
		r.endedWith(d, "Release")
		d.stop()
	}
	var all []dependants
	for _, s := range r.fill() {
		all = append(all, dependOn(s))
	}
	r.close()
	for _, d := range all {
		r.endedWith(d, "Close")
		d.stop()
	}
}

// endedWith fails unless the contexts have ended, now that the call has
// returned that ended the slot.
func (r *run) endedWith(d dependants, call string) {
	r.Helper()
	if !isClosed(d.job) {
		r.Errorf("%s returned and a context that is derived from the slot's has not ended", call)
	}
	switch {
	case isClosed(d.joined):
	case r.Prompt:
		r.Errorf("%s returned and a context that slot.All joined to the slot's has not ended", call)
	default:
		if _, ok := await(r, func() bool { <-d.joined; return true }); !ok {
			r.Errorf("%v after %s a context that slot.All joined to the slot's has not ended", r.Within, call)
		}
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
