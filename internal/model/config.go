package model

// Time is a length of time: ticks for the explorer, nanoseconds for a replay.
// Nothing in the model depends on the unit.
type Time int64

// A Config says what there is and what can happen.
type Config struct {
	// Limits has one entry for each client: the limit of its claims.
	Limits []int

	Lease  Time // of a slot
	Margin Time // what the guard ends before the lease
	Beat   Time // from the start of a lease to its renewal
	Answer Time // what a renewal's answer may take
	Young  Time // a grant that was under way for less is used without a confirmation
	Lead   Time // how much sooner than due a lease may be renewed
	Grace  Time // in which nothing is granted after a restart

	// Strict servers keep the slots of a broken connection.
	Strict bool

	Cut     bool // connections break, unseen by either side at first
	Crash   bool // a client's process dies
	Cancel  bool // a claimant gives up
	Pause   bool // a client's machine is suspended and resumes
	Drift   bool // a client's clock loses up to one tick in a lease
	Freeze  bool // the server's process is stopped and resumes
	Restart bool // the server restarts
	Wait    bool // a place first, then its slot
	Ghosts  bool // the wait is answered as the original server does
	Leave   bool // a claimant gives its place up by a request
	Halt    bool // somebody lets nothing be granted for a while
	Revoke  bool // somebody takes slots back

	// Fine has every event be a step of its own, and any number of clients: for
	// replays. Without it what follows from a step at the same moment is part of
	// the step, as in lease.pml, and there are far fewer states.
	Fine bool
}

// guard is how long after the request that set a lease the slot may be used.
func (c *Config) guard() Time { return c.Lease - c.Margin }

// outlive is the longest time that a context may outlive its slot where a slot is
// free as soon as its connection breaks.
func (c *Config) outlive() Time { return c.Beat + c.Answer }
