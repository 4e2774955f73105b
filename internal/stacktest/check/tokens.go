package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// An Action is what an operation on a semaphore did.
type Action uint8

// The actions. A semaphore is modelled as the set of tokens that hold a slot.
const (
	Acquire Action = iota // OK: the token joined the set. Else: the set was full
	Release               // OK: the token left the set. Else: it was not in it
	Renew                 // OK: the token was in the set. Else: it was not
	Expire                // the token is not in the set any more
)

// An Operation on a semaphore, as one client saw it.
type Operation struct {
	Client    int
	Key       string
	Action    Action
	Limit     int // of an Acquire: what the slot was claimed with
	Token     string
	OK        bool
	Call, End int64 // see Clock
}

// Linearizable reports whether one order of the operations explains all their
// answers, such that each took effect between its call and its end and no more
// tokens of a key held a slot than the limit of any of them. It returns an error
// that shows the first key for which none does, or that there was not time enough
// to tell.
//
// An Acquire that was refused is explained if as many tokens held a slot as it or
// one of them allows. Where claims have different limits one that waits may have
// been in its way instead, which is not modelled: then mixed has to be given, and
// such an answer says nothing.
func Linearizable(ops []Operation, mixed bool, within time.Duration) error {
	byKey := map[string][]porcupine.Operation{}
	for _, op := range ops {
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{
			ClientId: op.Client, Input: op, Output: op.OK, Call: op.Call, Return: op.End,
		})
	}
	for key, history := range byKey {
		if r := porcupine.CheckOperationsTimeout(tokens(mixed), history, within); r != porcupine.Ok {
			return fmt.Errorf("key %q: %d operations are %v:%s", key, len(history), r, show(history))
		}
	}
	return nil
}

// A holding is a token that holds a slot, and the limit that it was claimed with.
type holding struct {
	token string
	limit int
}

// tokens is a semaphore as a sequential machine. A state is who holds a slot,
// sorted by token.
func tokens(mixed bool) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return []holding(nil) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]holding), b.([]holding)) },
		Step: func(state, input, _ any) (bool, any) {
			return step(mixed, state.([]holding), input.(Operation))
		},
	}
}

func step(mixed bool, held []holding, op Operation) (bool, []holding) {
	at, has := slices.BinarySearchFunc(held, op.Token, func(h holding, token string) int { return cmp.Compare(h.token, token) })
	switch op.Action {
	case Acquire:
		full := len(held) >= most(held, op.Limit)
		if !op.OK {
			return full || mixed, held
		}
		if has || full {
			return false, held
		}
		return true, slices.Insert(slices.Clone(held), at, holding{op.Token, op.Limit})
	case Release:
		if op.OK && has {
			return true, slices.Delete(slices.Clone(held), at, at+1)
		}
		return op.OK == has, held
	case Renew:
		return op.OK == has, held
	case Expire:
		if has {
			return true, slices.Delete(slices.Clone(held), at, at+1)
		}
		return true, held
	}
	panic(fmt.Sprintf("bug: action %d", op.Action))
}

// most returns how many may hold a slot beside a claim with this limit.
func most(held []holding, limit int) int {
	for _, h := range held {
		limit = min(limit, h.limit)
	}
	return limit
}

func show(history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, h := range history {
		op := h.Input.(Operation)
		name := [...]string{"acquire", "release", "renew", "expire"}[op.Action]
		fmt.Fprintf(&b, "\n\t%d.%03d to %d.%03d client %d %s %.24s limit %d %v",
			op.Call/ticks, op.Call%ticks, op.End/ticks, op.End%ticks, op.Client, name, op.Token, op.Limit, op.OK)
	}
	return b.String()
}

// ticks is how many events one simulated millisecond can tell apart.
const ticks = 1_000_000
