package slot

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

// A Rate is how often slots of a key are granted by a source with a pace, see [Pace]:
// [PerSecond], [Every] or [RateBy].
type Rate struct {
	kind     rateKind
	interval time.Duration
	by       func(key string) (Rate, error)
}

// rateKind is which function made the Rate.
type rateKind uint8

const (
	rateNone rateKind = iota
	rateFixed
	rateBy
	rateWrong // a number that is none
)

// PerSecond is n grants a second in the long run: more than 0, such as 0.2, and one in
// 24 hours at least. An infinite n, as from [math.Inf], is as many as the limit allows,
// which RateBy may return.
func PerSecond(n float64) Rate {
	interval := math.Round(float64(time.Second) / n)
	switch {
	case math.IsInf(n, 1):
		return Every(0)
	case !(n > 0) || interval > float64(gcra.MaxInterval):
		return Rate{kind: rateWrong}
	}
	return Every(max(1, time.Duration(interval)))
}

// Every is a grant in each time d in the long run, such as the Crawl-delay of a site: 24
// hours at most. 0 is as many as the limit allows, which RateBy may return.
func Every(d time.Duration) Rate { return Rate{kind: rateFixed, interval: d} }

// RateBy is a rate for each key, which a function gives: that of a site, for example.
// Every(0) says that this key needs no pace.
//
// f is asked for each claim, and what it answers holds for that claim. For the rest, what
// is said of the function of [LimitBy] is true of f: it may be called by many goroutines
// at once, should be quick, must not call the source, and refuses its claim for good by
// an error, a panic, or a rate that cannot work; only an error that matches
// [ErrUnavailable] says that waiting can cure it.
func RateBy(f func(key string) (Rate, error)) Rate { return Rate{kind: rateBy, by: f} }

// check returns what is wrong with the rate whatever the key.
func (r Rate) check() error {
	switch {
	case r.kind == rateNone:
		return refuse("slot: Pace: no rate is given: use slot.PerSecond, slot.Every or slot.RateBy", nil)
	case r.kind == rateBy && r.by == nil:
		return refuse("slot: Pace: the function of slot.RateBy is nil", nil)
	case r.kind == rateBy:
		return nil
	case r.kind == rateFixed && r.interval == 0:
		return refuse("slot: Pace: the rate has no bound: a source without Pace grants as fast as the limit allows", nil)
	}
	return r.fits()
}

// fits returns what is wrong with a rate that needs no key.
func (r Rate) fits() error {
	if r.kind != rateFixed || r.interval < 0 || r.interval > gcra.MaxInterval {
		return refuse(fmt.Sprintf("slot: Pace: the rate must be more than 0, and one grant in %v at least", gcra.MaxInterval), nil)
	}
	return nil
}

// of returns how long it is from one grant of key to the next in the long run, 0 if there
// is no pace. The rate has passed check.
func (r Rate) of(key string) (time.Duration, error) {
	if r.kind == rateFixed {
		return r.interval, nil
	}
	var got Rate
	err := guarded(func() (err error) { got, err = r.by(key); return err })
	if err != nil {
		return 0, refuse(fmt.Sprintf("slot: the function of slot.RateBy has no rate for key %q: %v", key, err), err)
	}
	if err := got.fits(); err != nil {
		return 0, refuse(fmt.Sprintf("slot: the function of slot.RateBy returned a rate for key %q that cannot be one: "+
			"give slot.PerSecond, or slot.Every, of more than 0 and of one grant in %v at least", key, gcra.MaxInterval), nil)
	}
	return got.interval, nil
}

// guarded calls a function of the user's on a goroutine of its own, so that neither a
// panic nor a runtime.Goexit of it ends anything but this call, with an error.
func guarded(f func() error) error {
	err := errors.New("it ended its goroutine")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if value := recover(); value != nil {
				err = fmt.Errorf("it panicked: %v", value)
			}
		}()
		err = f()
	}()
	<-done
	return err
}
