package slottest

import (
	"context"
	"time"

	"github.com/berth-go/berth/slot"
)

// This file checks what a source tells of those who hold and wait.

// checkInspect looks at a key while all of its slots are held and two wait.
func checkInspect(r *run) {
	if !r.Inspect {
		r.Skip("the source does not tell who holds its slots")
	}
	held := r.fill()
	first := r.queue()
	r.settle()
	second := r.queue()
	r.inLine(first, 0)
	r.inLine(second, 1)

	st := r.inspect()
	if st.Held != r.Limit || st.Waiting != 2 || len(st.Holders) != r.Limit || len(st.Waiters) != 2 {
		r.Fatalf("%d hold and %d wait, %d and %d of them are listed; want %d and 2", st.Held, st.Waiting, len(st.Holders), len(st.Waiters), r.Limit)
	}
	ids := make(map[string]bool)
	for _, h := range st.Holders {
		r.named(h.Name, h.Limit)
		if h.ID == "" || ids[h.ID] {
			r.Errorf("a holder has the ID %q: it is that of no other, and not empty", h.ID)
		}
		ids[h.ID] = true
		if !h.Until.IsZero() && h.Until.Before(time.Now()) {
			r.Errorf("a holder's lease has ended at %v", h.Until)
		}
	}
	for _, w := range st.Waiters {
		r.named(w.Name, w.Limit)
	}
	if a, b := st.Waiters[0].Since, st.Waiters[1].Since; a.After(b) {
		r.Errorf("the first in line waits since %v, and the second since %v", a, b)
	}
	for _, ticket := range []slot.Ticket{first, second} {
		if err, ok := await(r, ticket.Close); !ok || err != nil {
			r.Errorf("closing a queued ticket returned %v (in time: %t)", err, ok)
		}
	}
	r.release(held...)
	r.allFree()
}

// inspect asks what there is to see, which has to come in time.
func (r *run) inspect() slot.State {
	r.Helper()
	type result struct {
		state slot.State
		err   error
	}
	got, ok := await(r, func() result {
		st, err := slot.Inspect(context.Background(), r.Source, r.Key)
		return result{st, err}
	})
	if !ok || got.err != nil {
		r.Fatalf("Inspect returned %v (in time: %t)", got.err, ok)
	}
	return got.state
}

func (r *run) inLine(ticket slot.Ticket, want int) {
	r.Helper()
	if n, ok := slot.Ahead(ticket); !ok || n != want {
		r.Errorf("a ticket says that %d were in line in front of it (known: %t), and %d were", n, ok, want)
	}
}

func (r *run) named(name string, limit int) {
	r.Helper()
	if name != r.HolderName {
		r.Errorf("somebody is called %q, and the harness says %q", name, r.HolderName)
	}
	if limit != r.Limit {
		r.Errorf("%q claimed with a limit of %d, and Inspect says %d", name, r.Limit, limit)
	}
}
