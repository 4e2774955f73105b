package dflockd

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/internal/gcra"
	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Pacer  = (*Source)(nil)
	_ slot.Turner = (*Source)(nil)
)

// errNoPace ends claims with a pace on an original server, and in a cluster.
var errNoPace = errs.InWords("the server has no clocks for a pace: one of this module has", errors.ErrUnsupported)

// AtPace returns the source for claims with a pace, which slot.Pace makes: a server of
// this module has a clock for each key. On an original server, and in a cluster, they fail
// with an error that matches errors.ErrUnsupported.
func (s *Source) AtPace(interval time.Duration, burst int) slot.Source {
	return view{&Source{cfg: s.cfg, limits: s.limits, endpoints: s.endpoints, pace: gcra.Pace{Interval: interval, Burst: int64(burst)}}}
}

// Turns returns the source for claims of turns, which slot.Pace makes where a server has
// no clocks.
func (s *Source) Turns(burst int) slot.Source {
	return view{&Source{cfg: s.cfg, limits: s.limits.Turns(burst), endpoints: s.endpoints}}
}

// A view is a source for other claims, over the connections of one that is closed by
// itself.
type view struct{ *Source }

// Close does nothing.
func (view) Close(context.Context) error { return nil }
