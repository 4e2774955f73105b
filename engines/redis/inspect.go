package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

var (
	_ slot.Inspector  = (*Source)(nil)
	_ slot.Controller = (*Source)(nil)
)

// WithAdministrator lets this source end and prolong pauses and take slots back, see
// [slot.Controller]. Redis cannot tell who may: whoever can write there could do so by
// hand. The option keeps programs that only run jobs from doing it by mistake.
func WithAdministrator() Option {
	return func(c *config) error {
		c.admin = true
		return nil
	}
}

// Inspect returns who has the slots of key and who waits, in one round trip. It does
// not tell since when a slot is held.
func (s *Source) Inspect(ctx context.Context, key string) (slot.State, error) {
	name, err := s.nameOf("inspect", key)
	if err != nil {
		return slot.State{}, err
	}
	answer, err := s.ask(ctx, "inspect", name, slot.MaxListed)
	if err != nil {
		return slot.State{}, err
	}
	state, err := readState(answer, time.Now())
	if err != nil {
		return slot.State{}, s.wrap("inspect", name, err)
	}
	state.Name = name
	return state, nil
}

// readState reads what the script tells of a line. now is when: times of the server
// become those of this process by it.
func readState(answer []any, now time.Time) (st slot.State, err error) {
	if len(answer) < 4 || len(answer)%3 != 1 {
		return st, errAnswer
	}
	var head [4]int64
	for i := range head {
		n, ok := readNumber(answer[i])
		if !ok {
			return st, errAnswer
		}
		head[i] = n
	}
	here := func(ms int64) time.Time { return now.Add(time.Duration(ms-head[0]) * time.Millisecond) }
	if head[1] > 0 {
		st.PausedUntil = here(head[0] + head[1])
	}
	if min(head[2], head[3]) < 0 {
		return st, errAnswer
	}
	st.Held, st.Waiting = int(min(head[2], math.MaxInt)), int(min(head[3], math.MaxInt))
	for i, rest := 0, answer[4:]; len(rest) > 0; i, rest = i+1, rest[3:] {
		one, ok := readClaim(rest)
		if !ok {
			return st, errAnswer
		}
		if i < min(st.Held, slot.MaxListed) {
			st.Holders = append(st.Holders, slot.Holder{
				Name: one.name, ID: grantID(one.number), Limit: one.limit, Until: here(one.expiry),
			})
		} else {
			st.Waiters = append(st.Waiters, slot.Waiter{
				Name: one.name, Limit: one.limit, Since: here(int64(one.number / 1000)),
			})
		}
	}
	return st, nil
}

// errAnswer is for an answer that the script does not give.
var errAnswer = errors.New("the answer is none of the script: does another version of it run under the same prefix?")

// A listed claim is one as the script lists it.
type listed struct {
	name   string
	limit  int
	number uint64
	expiry int64 // ms of the server's clock
}

// readNumber reads a number, or a high one, which comes as text.
func readNumber(answer any) (int64, bool) {
	switch n := answer.(type) {
	case int64:
		return n, true
	case string:
		value, err := strconv.ParseInt(n, 10, 64)
		return value, err == nil
	}
	return 0, false
}

// readClaim reads an ID, a number and an expiry.
func readClaim(answer []any) (c listed, ok bool) {
	id, isText := answer[0].(string)
	number, isNumber := readNumber(answer[1])
	expiry, isTime := readNumber(answer[2])
	parts := strings.SplitN(id, ":", 4)
	if !isText || !isNumber || !isTime || len(parts) != 4 {
		return c, false
	}
	digits, _, _ := strings.Cut(parts[2], "/") // a pace may follow
	limit, err := strconv.Atoi(digits)
	return listed{name: parts[3], limit: limit, number: uint64(number), expiry: expiry}, err == nil
}

// grantID names a grant by its number, which is its fence.
func grantID(number uint64) string { return fmt.Sprintf("%016x", number) }

// Pause has no slot of key granted for d, to nobody. See [slot.Controller] for what
// needs [WithAdministrator].
func (s *Source) Pause(ctx context.Context, key string, d time.Duration) error {
	name, err := s.nameOf("pause", key)
	if err == nil {
		err = s.mayPause(name, d)
	}
	if err != nil {
		return err
	}
	answer, err := s.ask(ctx, "pause", name, d.Milliseconds())
	if err != nil {
		return err
	}
	s.lock()
	defer s.unlock()
	if ln, again := s.lines[name], answer[0].(int64); ln != nil {
		s.scheduleServe(ln, again, time.Now())
	}
	return nil
}

// mayPause returns why this source may not pause a semaphore.
func (s *Source) mayPause(name string, d time.Duration) error {
	switch {
	case d < 0:
		return s.wrap("pause", name, errs.Permanently(fmt.Errorf("%v is negative", d)))
	case d > 0 && d < time.Millisecond:
		return s.wrap("pause", name, errs.Permanently(fmt.Errorf("%v is shorter than a millisecond", d)))
	case s.cfg.admin:
		return nil
	case d == 0:
		return s.wrap("pause", name, notAllowed("ends a pause"))
	case d > slot.MaxPause:
		return s.wrap("pause", name, notAllowed(fmt.Sprintf("pauses for longer than %v", slot.MaxPause)))
	}
	s.lock()
	defer s.unlock()
	for _, c := range s.claims {
		if c.name == name && c.state != asking {
			return nil
		}
	}
	return s.wrap("pause", name, notAllowed("pauses what this source has no slot of and does not wait for"))
}

func notAllowed(what string) error {
	return errs.Permanently(errs.InWords(fmt.Sprintf("not allowed: only an administrator %s (WithAdministrator)", what), slot.ErrNotAllowed))
}

// Revoke takes back the slot of key with this ID. The slot is free when its lease is
// over, or sooner if its holder releases it.
func (s *Source) Revoke(ctx context.Context, key, id string) error {
	name, err := s.nameOf("revoke", key)
	if err != nil {
		return err
	}
	if !s.cfg.admin {
		return s.wrap("revoke", name, notAllowed("takes a slot back"))
	}
	number, err := strconv.ParseUint(id, 16, 64)
	if err != nil || grantID(number) != id {
		return s.wrap("revoke", name, fmt.Errorf("%w: %q is no ID of a grant", slot.ErrNoHolder, id))
	}
	answer, err := s.ask(ctx, "revoke", name, number)
	if err != nil {
		return err
	}
	if answer[0] == int64(0) {
		return s.wrap("revoke", name, slot.ErrNoHolder)
	}
	return nil
}

// nameOf returns the name of the semaphore that key means.
func (s *Source) nameOf(op, key string) (string, error) {
	name, _, err := s.limits.Of(key)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return "", s.wrap(op, key, err)
	}
	return name, nil
}

// ask has the script do something that is no matter of a claim, and waits for the
// answer, which has at least one part.
func (s *Source) ask(ctx context.Context, what, name string, arg any) ([]any, error) {
	if ctx.Err() != nil {
		return nil, s.wrap(what, name, context.Cause(ctx))
	}
	o := &op{kind: opAsk, what: what, arg: arg, line: s.newLine(name), answer: make(chan *goredis.Cmd, 1)}
	if err := s.postAsk(o); err != nil {
		return nil, s.wrap(what, name, err)
	}
	timer := time.NewTimer(s.cfg.timeout)
	defer timer.Stop()
	select {
	case cmd := <-o.answer:
		answer, err := cmd.Slice()
		if err != nil {
			return nil, s.wrap(what, name, s.trouble(err))
		}
		if len(answer) == 0 {
			return nil, s.wrap(what, name, errAnswer)
		}
		return answer, nil
	case <-timer.C:
		return nil, s.wrap(what, name, errTimeout)
	case <-ctx.Done():
		return nil, s.wrap(what, name, context.Cause(ctx))
	case <-s.ctx.Done():
		return nil, s.wrap(what, name, slot.ErrClosed)
	}
}

func (s *Source) postAsk(o *op) error {
	s.lock()
	defer s.unlock()
	if s.closing {
		return slot.ErrClosed
	}
	s.post(o)
	return nil
}
