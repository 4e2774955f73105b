package replay

import (
	"time"

	"github.com/berth-go/berth/internal/model"
	"github.com/berth-go/berth/internal/trace"
)

// A Setup is what a trace was recorded with.
type Setup struct {
	Strict bool          // the server keeps the slots of a broken connection
	Lease  time.Duration // of every slot
	Stops  bool          // processes are stopped, or wait for a processor
}

// Stats says what was replayed.
type Stats struct {
	Events, Claims, Grants, Begun int
	Kinds                         map[trace.Kind]int
}

// Check replays events, in their order, and returns the first that is forbidden.
func (s Setup) Check(events []trace.Event) (Stats, error) {
	r := newReplay(s)
	for _, e := range events {
		if err := r.event(e); err != nil {
			return r.stats, err
		}
	}
	return r.stats, nil
}

// config returns the model of a setup.
func (s Setup) config() *model.Config {
	margin := s.Lease - s.Lease/100*99 + max(250*time.Millisecond, s.Lease/20)
	beat := min(s.Lease/3, s.Lease/2, 7*time.Second)
	return &model.Config{
		Lease:  model.Time(s.Lease),
		Margin: model.Time(margin),
		Beat:   model.Time(beat),
		Answer: model.Time(min(2*time.Second, (s.Lease-margin-beat)/2)),
		Young:  model.Time(s.Lease / 10),
		Strict: s.Strict,
		Pause:  s.Stops,
		Cut:    true, Crash: true, Cancel: true, Restart: true, Wait: true, Leave: true, Halt: true, Revoke: true,
		Fine: true,
	}
}
