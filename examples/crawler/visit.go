package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-go/berth/examples/crawler/internal/page"
	"github.com/berth-go/berth/examples/crawler/internal/pipe"
	"github.com/berth-go/berth/middleware"
	"github.com/berth-go/berth/pool"
)

const (
	// maxUnanswered is how often a URL is asked for that has no answer.
	maxUnanswered = 3

	// maxPutOff is how often a URL is asked for whose answer is to come back
	// later, while the host answers others.
	maxPutOff = 5
)

// A visit is the way of one URL through a worker process: a job with as many
// attempts as it takes. Between them it has neither a worker nor slots.
type visit struct {
	*fetching
	pipe.Command

	// All below is for one attempt at a time, and then for the result.
	asked      bool // a request was made
	page       page.Page
	text       []byte // of a robots.txt
	unanswered int
	putOff     int
}

// A siteError is the site's fault, and final. Any other error of a job says
// nothing about its URL: the slot was lost or could not be claimed, the pool was
// shut down, or the site had asked to come back later when the crawl ended.
type siteError struct{ error }

func (e siteError) Unwrap() error { return e.error }

// attempt makes one request, or asks the pool to come back when it may.
func (v *visit) attempt(ctx context.Context) error {
	if v.draining.Load() {
		return errDraining
	}
	// The host may have put off a request of another crawl since the slot was granted:
	// the renewals say so.
	if err := v.held(pausedYet(ctx), nil); err != nil {
		return err
	}
	if err := v.held(v.patience.enter(v.Host)); err != nil {
		return err
	}
	v.asked = true
	return v.judge(ctx, v.fetch(ctx))
}

// pausedYet is for how long the key of the job's slots is paused, as far as is known.
func pausedYet(ctx context.Context) time.Duration {
	info, _ := pool.FromContext(ctx)
	if info.Slot.PausedUntil.IsZero() {
		return 0
	}
	return max(time.Until(info.Slot.PausedUntil), 0)
}

// held turns what patience says into the job's error.
func (v *visit) held(wait time.Duration, err error) error {
	switch {
	case err != nil:
		return siteError{fmt.Errorf("%s: %w", v.URL, err)}
	case wait > 0:
		return pool.RetryAfter(wait, fmt.Errorf("%s: its host asked to come back later", v.URL))
	}
	return nil
}

// judge tells patience what came of a request, and returns the job's error.
func (v *visit) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		v.patience.answered(v.Host)
		return nil
	case errors.Is(err, page.ErrCutOff):
		v.patience.answered(v.Host)
		return siteError{err}
	case ctx.Err() != nil:
		v.patience.left(v.Host)
		return err
	}
	return v.refused(err)
}

func (v *visit) fetch(ctx context.Context) (err error) {
	if !v.Robots {
		v.page, err = v.fetcher.Fetch(ctx, v.URL)
		return err
	}
	robots, err := v.fetcher.Robots(ctx, v.URL)
	v.page.Target, v.text = robots.Target, robots.Text
	return err
}

// refused says what is to be done after a request that the site put off, or did
// not answer. Either way its host is left alone for a while.
func (v *visit) refused(err error) error {
	var later *page.LaterError
	// Another start on the host will not be allowed before Pace has passed, either.
	after, tries, most := max(v.Wait, v.Pace), &v.unanswered, maxUnanswered
	if errors.As(err, &later) {
		after, tries, most = max(after, later.After), &v.putOff, maxPutOff
	}
	*tries++
	pause := v.patience.refused(v.Host, after, err)
	// An error here means that there is no parent, which serve finds out.
	_ = v.out.Write(pipe.Result{Pause: &pause})
	switch {
	case pause.Over != "":
		err = siteError{errors.New(pause.Over)}
	case *tries == most:
		err = siteError{fmt.Errorf("%w: asked for it %d times", err, *tries)}
	default:
		err = pool.RetryAfter(max(pause.For, time.Millisecond), err)
	}
	if later != nil { // then other crawlers with the same server leave the host alone, too
		err = middleware.WithRetryAfter(err, pause.For)
	}
	return err
}

// result is what the parent is told after the last attempt.
func (v *visit) result(err error) pipe.Result {
	if err == nil {
		return pipe.Result{
			URL: v.URL, Status: v.page.Status, Bytes: v.page.Bytes, HTML: v.page.HTML,
			Links: v.page.Links, Target: v.page.Target, NoIndex: v.page.NoIndex, Text: v.text,
		}
	}
	var site siteError
	return pipe.Result{URL: v.URL, Err: err.Error(), Again: !errors.As(err, &site), Asked: v.asked}
}
