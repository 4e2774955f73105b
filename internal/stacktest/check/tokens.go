package check

import (
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
	Token     string
	OK        bool
	Call, End int64 // see Clock
}

// Linearizable reports whether one order of the operations explains all their
// answers, such that each took effect between its call and its end and no more
// than n tokens of a key held a slot. It returns an error that shows the first
// key for which none does, or that there was not time enough to tell.
func Linearizable(n int, ops []Operation, within time.Duration) error {
	byKey := map[string][]porcupine.Operation{}
	for _, op := range ops {
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{
			ClientId: op.Client, Input: op, Output: op.OK, Call: op.Call, Return: op.End,
		})
	}
	for key, history := range byKey {
		if r := porcupine.CheckOperationsTimeout(tokens(n), history, within); r != porcupine.Ok {
			return fmt.Errorf("key %q, limit %d: %d operations are %v:%s", key, n, len(history), r, show(history))
		}
	}
	return nil
}

// tokens is a semaphore of limit n as a sequential machine. A state is the
// sorted tokens that hold a slot.
func tokens(n int) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return []string(nil) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]string), b.([]string)) },
		Step: func(state, input, _ any) (bool, any) {
			return step(n, state.([]string), input.(Operation))
		},
	}
}

func step(n int, held []string, op Operation) (bool, []string) {
	at, has := slices.BinarySearch(held, op.Token)
	switch op.Action {
	case Acquire:
		if !op.OK {
			return len(held) == n, held
		}
		if has || len(held) == n {
			return false, held
		}
		return true, slices.Insert(slices.Clone(held), at, op.Token)
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

func show(history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, h := range history {
		op := h.Input.(Operation)
		name := [...]string{"acquire", "release", "renew", "expire"}[op.Action]
		fmt.Fprintf(&b, "\n\t%d.%03d to %d.%03d client %d %s %.24s %v",
			op.Call/ticks, op.Call%ticks, op.End/ticks, op.End%ticks, op.Client, name, op.Token, op.OK)
	}
	return b.String()
}

// ticks is how many events one simulated millisecond can tell apart.
const ticks = 1_000_000
