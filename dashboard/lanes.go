package dashboard

import (
	"cmp"
	"strings"
	"time"

	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
)

// A laneLine is a lane that has jobs that wait or run.
type laneLine struct {
	Key      string          `json:"key"`
	SlotKey  string          `json:"slot_key"`
	Queued   int             `json:"queued"`
	Blocked  int             `json:"blocked,omitempty"` // submitters that wait for room
	Running  int             `json:"running"`
	Oldest   *time.Time      `json:"oldest,omitempty"` // since when its first job has waited
	Name     string          `json:"name,omitempty"`   // of that job
	WaitsFor pool.WaitReason `json:"waits_for,omitempty"`
	Limit    int             `json:"limit,omitempty"`   // of its slot key; 0: not known
	Held     int             `json:"held,omitempty"`    // slots of that which the pool has
	InLine   int             `json:"in_line,omitempty"` // claims for that which wait

	slot slot.Slot // of a job that runs, where nothing waits
}

// lanes is the first few lanes in the order that was asked for, and how many there
// are.
type lanes struct {
	Total    int        `json:"total"`
	Matching int        `json:"matching"` // have what was asked for in their keys
	Rows     []laneLine `json:"rows"`
}

// A walk goes once through the lanes of a pool and keeps what is to be shown.
type walk struct {
	cfg     *config
	filter  string
	running map[string]use // by key; those of which the lane was seen are taken out
	waits   waits
	oldest  top[laneLine]
	rows    top[laneLine]
	total   int
	match   int
}

func newWalk(cfg *config, ask question, running map[string]use) *walk {
	return &walk{
		cfg: cfg, filter: strings.ToLower(ask.filter), running: running,
		oldest: top[laneLine]{most: mostOldest, before: waitsLonger},
		rows:   top[laneLine]{most: ask.top, before: orders[ask.sort]},
	}
}

// all sees the lanes with jobs that wait, and then those with jobs that run only,
// of which the pool does not tell.
func (w *walk) all(p *pool.Pool) {
	for l := range p.Lanes() {
		w.see(l)
	}
	for key, u := range w.running {
		line := laneLine{Key: w.cfg.show(KindKey, key), Running: u.jobs, slot: u.slot}
		if u.slot != nil {
			line.SlotKey, line.Held = w.cfg.show(KindSlotKey, u.slotKey), u.jobs
		}
		w.keep(line)
	}
}

func (w *walk) see(l pool.Lane) {
	line := laneLine{
		Key: w.cfg.show(KindKey, l.Key), SlotKey: w.cfg.show(KindSlotKey, l.SlotKey), Queued: l.Queued, Blocked: l.Blocked,
		Running: w.running[l.Key].jobs, Name: w.cfg.show(KindName, l.OldestName), WaitsFor: l.WaitsFor,
		Limit: l.Limit, Held: l.Held, InLine: l.InLine,
	}
	delete(w.running, l.Key)
	if !l.Oldest.IsZero() {
		line.Oldest = &l.Oldest
		w.oldest.add(line)
	}
	w.waits.add(l.WaitsFor, l.Queued)
	w.keep(line)
}

func (w *walk) keep(line laneLine) {
	w.total++
	if w.filter == "" || strings.Contains(strings.ToLower(line.Key), w.filter) {
		w.match++
		w.rows.add(line)
	}
}

// lanes returns what is shown. Of the slots where nothing waits, only those that are
// shown are asked for their limits.
func (w *walk) lanes() lanes {
	rows := w.rows.inOrder()
	for i := range rows {
		if rows[i].slot != nil {
			rows[i].Limit = limitOf(rows[i].slot)
		}
	}
	return lanes{Total: w.total, Matching: w.match, Rows: rows}
}

// limitOf asks a slot, which is of somebody else's making.
func limitOf(s slot.Slot) (n int) {
	defer func() { _ = recover() }()
	return s.Info().Limit
}

// orders are those in which lanes can be asked for; equals are in the order of
// their keys, so that nothing jumps about on the page.
var orders = map[string]func(a, b laneLine) bool{
	"wait":    waitsLonger,
	"queued":  most(func(l laneLine) int { return l.Queued + l.Blocked }),
	"running": most(func(l laneLine) int { return l.Running }),
	"slots":   most(func(l laneLine) int { return l.Held }),
	"key":     func(a, b laneLine) bool { return a.Key < b.Key },
}

func most(of func(laneLine) int) func(a, b laneLine) bool {
	return func(a, b laneLine) bool {
		return cmp.Or(of(b)-of(a), strings.Compare(a.Key, b.Key)) < 0
	}
}

// waitsLonger puts lanes without a job that waits last.
func waitsLonger(a, b laneLine) bool {
	switch {
	case a.Oldest == nil || b.Oldest == nil:
		return a.Oldest != nil || b.Oldest == nil && a.Key < b.Key
	case a.Oldest.Equal(*b.Oldest):
		return a.Key < b.Key
	}
	return a.Oldest.Before(*b.Oldest)
}
