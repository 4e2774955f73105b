package slot

import "fmt"

// Limits says which semaphore a key means and how many may hold a slot of it at
// once: [Fixed], [Keyed] or [LimitBy]. Every engine takes them, so that a program
// moves from one to another with the same limits.
type Limits struct {
	kind limitKind
	name string // of the semaphore, or what stands in front of the key
	n    int
	by   func(key string) (name string, n int, err error)
	of   *Limits // of the slots that the turns are for
}

// limitKind is which function made the Limits.
type limitKind uint8

const (
	limitNone limitKind = iota
	limitFixed
	limitKeyed
	limitBy
	limitTurns
	limitEach // of NewLocalKeyed: the key is the name, also if it is empty
)

// Fixed returns limits with one semaphore, whatever the key: at most n hold a
// slot of it anywhere.
func Fixed(name string, n int) Limits { return Limits{kind: limitFixed, name: name, n: n} }

// Keyed returns limits with a semaphore for each key, called prefix + key: at
// most n hold a slot of the same key. The empty key is refused.
func Keyed(prefix string, n int) Limits { return Limits{kind: limitKeyed, name: prefix, n: n} }

// LimitBy returns limits that a function gives: the name of the semaphore that a
// key means, and how many may hold it at once. So each class of customers can
// have a limit of its own, and a limit can change while the program runs: f is
// asked for each claim, and what it answers holds for that claim.
//
// f may be called by many goroutines at once. It should be quick and must not
// call the source. Each call costs a goroutine, so that neither a panic nor a
// runtime.Goexit of f ends anything but the claim that it was asked for. That
// claim is refused for good, which ends the jobs that need its key with the error;
// so do an error of f, an empty name and a number below 1. Only an error that
// matches [ErrUnavailable] says that waiting can cure it.
func LimitBy(f func(key string) (name string, n int, err error)) Limits {
	return Limits{kind: limitBy, by: f}
}

// Check returns what is wrong with the limits whatever the key: none were given,
// a number below 1, an empty name, a nil function. The constructor of an engine
// calls it, and adds what its own names may not contain. The error, like that of
// Of, is permanent and has no package's name in front: the engine puts its own.
func (l Limits) Check() error {
	switch {
	case l.kind == limitNone:
		return refuse("no limits are given: use slot.Fixed, slot.Keyed or slot.LimitBy", nil)
	case l.kind == limitTurns && l.of.Check() != nil:
		return l.of.Check()
	case l.kind == limitBy && l.by == nil:
		return refuse("the function of slot.LimitBy is nil", nil)
	case l.kind == limitBy:
		return nil
	case l.n < 1:
		return refuse(fmt.Sprintf("the limit is %d: it must be 1 or more", l.n), nil)
	case l.kind == limitFixed && l.name == "":
		return refuse("the key \"\" is empty", ErrKey)
	}
	return nil
}

// Name returns the name of [Fixed] and the prefix of [Keyed], so that the
// constructor of an engine can check it before the first claim, and false where
// no part of a name is known yet.
func (l Limits) Name() (name string, ok bool) {
	return l.name, l.kind == limitFixed || l.kind == limitKeyed && l.name != ""
}

// Of returns the name of the semaphore that key means, and its limit, 1 or more.
// The limits must have passed Check. It allocates nothing for Fixed and the name
// for Keyed; what it costs for LimitBy is said there. An error matches ErrKey or
// what the function returned, see [IsPermanent].
func (l Limits) Of(key string) (name string, n int, err error) {
	switch l.kind {
	case limitFixed:
		return l.name, l.n, nil
	case limitEach:
		return key, l.n, nil
	case limitKeyed:
		if key == "" {
			return "", 0, refuse("the key is empty: give the job a key, or use Fixed", ErrKey)
		}
		return l.name + key, l.n, nil
	case limitBy:
		return l.ask(key)
	case limitTurns:
		name, _, err = l.of.Of(key)
		return name + TurnsSuffix, l.n, err
	}
	return "", 0, l.Check()
}

// ask calls the function of LimitBy, and checks what it returns.
func (l Limits) ask(key string) (name string, n int, err error) {
	err = guarded(func() (err error) { name, n, err = l.by(key); return err })
	switch {
	case err != nil:
		return "", 0, refuse(fmt.Sprintf("the function of slot.LimitBy has no limit for key %q: %v", key, err), err)
	case name == "":
		return "", 0, refuse(fmt.Sprintf("the function of slot.LimitBy returned an empty name for key %q", key), ErrKey)
	case n < 1:
		return "", 0, refuse(fmt.Sprintf("the function of slot.LimitBy returned the limit %d for key %q: it must be 1 or more", n, key), nil)
	}
	return name, n, nil
}
