package dashboard

import (
	"maps"
	"slices"
	"time"

	"github.com/berth-go/berth/pool"
)

// Bounds of one answer.
const (
	mostOldest  = 8  // of the jobs that wait
	mostRunning = 10 // of the jobs that run
)

// A state is what the page shows at one moment, and what state.json has.
type state struct {
	Now   time.Time  `json:"now"`
	Pools []poolLine `json:"pools"` // all that there are
	Pool  poolState  `json:"pool"`  // the one that was asked for
}

// A poolLine is a pool in a few words.
type poolLine struct {
	Name    string `json:"name"`
	Size    int    `json:"size"` // how many workers there may be
	Running int64  `json:"running"`
	Waiting int64  `json:"waiting"` // queued, put off, or waiting for a backoff
}

// A poolState is a pool in full.
type poolState struct {
	poolLine
	Queued   int64        `json:"queued"`  // stand in lanes, or are with a worker
	Delayed  int64        `json:"delayed"` // wait for their time
	Finished int64        `json:"finished"`
	Failed   int64        `json:"failed"`
	Retries  int64        `json:"retries"`
	Slots    slotState    `json:"slots"`
	History  series       `json:"history"`
	Waits    waits        `json:"waits"`  // queued jobs by what they wait for
	Oldest   []laneLine   `json:"oldest"` // lanes whose first job has waited for longest
	Lanes    lanes        `json:"lanes"`
	Runs     []runLine    `json:"runs"` // the jobs that have run for longest
	Slow     []slowLine   `json:"slow"`
	Losses   []troubleRow `json:"losses"`
	Retried  []troubleRow `json:"retried"`
	Failures []troubleRow `json:"failures"`
}

// A slotState is what a pool does with its slots.
type slotState struct {
	Held    int     `json:"held"`
	Serving int     `json:"serving"` // workers have these
	InLine  int     `json:"in_line"` // claims that wait for one
	Lost    int64   `json:"lost"`
	Failing int     `json:"failing"` // slot keys for which claims fail
	Idle    float64 `json:"idle"`    // the part of the time for which slots were held and no job ran
}

// waits is how many queued jobs wait for what.
type waits struct {
	Worker int `json:"worker"`
	Place  int `json:"place"`
	Slot   int `json:"slot"`
	Engine int `json:"engine"`
}

func (w *waits) add(why pool.WaitReason, n int) {
	switch why {
	case pool.WaitForPlace:
		w.Place += n
	case pool.WaitForSlot:
		w.Slot += n
	case pool.WaitForEngine:
		w.Engine += n
	default:
		w.Worker += n
	}
}

// A runLine is a job that runs.
type runLine struct {
	Name    string          `json:"name,omitempty"`
	Key     string          `json:"key"`
	SlotKey string          `json:"slot_key"`
	Attempt int             `json:"attempt"`
	Since   time.Time       `json:"since"`
	Waited  pool.WaitReason `json:"waited_for,omitempty"`
}

// A slowLine is a job that took long. Its parts add up to the whole.
type slowLine struct {
	Name    string    `json:"name,omitempty"`
	Key     string    `json:"key"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"` // when it ended
	Error   string    `json:"error,omitempty"`

	TotalMS   float64 `json:"total_ms"`
	WorkerMS  float64 `json:"worker_ms"` // waited for a worker, and so on
	PlaceMS   float64 `json:"place_ms"`
	SlotMS    float64 `json:"slot_ms"`
	EngineMS  float64 `json:"engine_ms"`
	DelayedMS float64 `json:"delayed_ms"` // until its time had come, and between attempts
	RunMS     float64 `json:"run_ms"`
}

// A troubleRow is something that went wrong.
type troubleRow struct {
	At      time.Time `json:"at"`
	What    what      `json:"what"`
	Name    string    `json:"name,omitempty"`
	Key     string    `json:"key"`
	SlotKey string    `json:"slot_key"`
	Attempt int       `json:"attempt,omitempty"`
	DelayMS float64   `json:"delay_ms,omitempty"` // until the next attempt
	Error   string    `json:"error,omitempty"`
	Times   int       `json:"times"` // that the same has happened, the last time at that time
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// stateOf looks at the pools, at one of them in full.
func stateOf(pools []Pool, ask question) state {
	s := state{Now: time.Now()}
	for _, p := range pools {
		stats := p.Pool.Stats()
		line := poolLine{Name: p.Name, Size: stats.Size, Running: stats.Running, Waiting: stats.Queued + stats.Waiting}
		s.Pools = append(s.Pools, line)
		if p.Name == ask.pool {
			s.Pool = p.state(line, stats, ask, s.Now)
		}
	}
	return s
}

func (p Pool) state(line poolLine, stats pool.Stats, ask question, now time.Time) poolState {
	seen := p.Recorder.look(now)
	s := poolState{
		poolLine: line, Queued: stats.Queued, Delayed: stats.Waiting, Finished: stats.Finished, Failed: stats.Failed,
		Retries: stats.Retries, Slots: slotsOf(stats), History: seen.history,
	}
	s.Runs = mapped(seen.runs, p.Recorder.cfg.runLine)
	s.Slow = mapped(seen.slow, p.Recorder.cfg.slowLine)
	s.Losses = mapped(seen.losses, p.Recorder.cfg.troubleRow)
	s.Retried = mapped(seen.retries, p.Recorder.cfg.troubleRow)
	s.Failures = mapped(seen.failures, p.Recorder.cfg.troubleRow)
	walk := newWalk(&p.Recorder.cfg, ask, seen.byKey)
	walk.all(p.Pool)
	s.Waits, s.Oldest, s.Lanes = walk.waits, walk.oldest.inOrder(), walk.lanes()
	return s
}

func slotsOf(stats pool.Stats) slotState {
	s := slotState{
		Held: stats.Held, Serving: stats.Serving, InLine: stats.InLine, Lost: stats.LostSlots, Failing: stats.FailingKeys,
	}
	if stats.HeldTime > 0 {
		s.Idle = float64(stats.IdleTime) / float64(stats.HeldTime)
	}
	return s
}

// seen is what a recorder remembers, copied.
type seen struct {
	history                   series
	runs                      []job
	byKey                     map[string]use
	slow                      []finished
	losses, retries, failures []incident
}

// look copies what the recorder remembers.
func (r *Recorder) look(now time.Time) (s seen) {
	r.note(now, func(p *past, _ *interval) {
		s.history = p.history.series()
		s.byKey = maps.Clone(p.running.keys)
		p.running.each(func(j *job) bool {
			s.runs = append(s.runs, *j)
			return len(s.runs) < mostRunning
		})
		s.slow = p.slowest.list(now.Sub(r.began))
		s.losses, s.retries, s.failures = p.losses.newestFirst(), p.retries.newestFirst(), p.failures.newestFirst()
	})
	slices.SortStableFunc(s.failures, func(a, b incident) int { return b.at.Compare(a.at) }) // some have happened again
	return s
}

// mapped returns what f makes of each, and never nil, which JSON would have as null.
func mapped[A, B any](list []A, f func(A) B) []B {
	out := make([]B, 0, len(list))
	for _, a := range list {
		out = append(out, f(a))
	}
	return out
}

func (c *config) runLine(j job) runLine {
	return runLine{
		Name: c.show(KindName, j.name), Key: c.show(KindKey, j.key), SlotKey: c.show(KindSlotKey, j.slotKey),
		Attempt: j.attempt, Since: j.marked, Waited: j.waited,
	}
}

func (c *config) slowLine(f finished) slowLine {
	j, s := f.job, f.job.spent
	return slowLine{
		Name: c.show(KindName, j.name), Key: c.show(KindKey, j.key), Attempt: j.attempt, At: f.at, Error: c.show(KindError, f.error),
		TotalMS: millis(j.total()), WorkerMS: millis(s.worker), PlaceMS: millis(s.place), SlotMS: millis(s.slot),
		EngineMS: millis(s.engine), DelayedMS: millis(s.delayed), RunMS: millis(s.run),
	}
}

func (c *config) troubleRow(i incident) troubleRow {
	return troubleRow{
		At: i.at, What: i.what, Name: c.show(KindName, i.name), Key: c.show(KindKey, i.key), SlotKey: c.show(KindSlotKey, i.slotKey),
		Attempt: i.attempt, DelayMS: millis(i.delay), Error: c.show(KindError, i.error), Times: i.times,
	}
}
