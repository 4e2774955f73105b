// Package pool runs jobs on a bounded number of workers, each under a slot that
// it shares with every other machine.
//
//	p, err := pool.New(32, pool.WithSlots(src), pool.Use(middleware.Retry(policy)))
//	t := p.Submit(func(ctx context.Context) error { … }, pool.Key("example.com"))
//	err = t.Wait(ctx)
//	err = p.Wait(ctx)     // nothing is left, retries included
//	err = p.Shutdown(ctx) // what still backs off ends here, without another attempt
//
// # Terms
//
// A job is a function. A task is a job that was submitted; it ends in exactly
// one result. A lane is the queue of one key; lanes take turns. A slot key is
// what slots are claimed with: the lane's key, unless [WithSlotKey] maps it. A
// claim asks a slot source for a slot: for a free one or, if there is none, for a
// place in line, where it waits without a worker. A slot that is granted goes to
// the next worker that is free, and is bound to the job that is the most urgent
// one then.
//
// # Ways in
//
// [Pool.Submit] gives a task to wait for, [Pool.Go] none, [Call] one with a value;
// [Pool.Group] and [Map] are for many, [Map2] for what comes from where reading can
// fail. Options, retries, middleware, hooks and
// contexts are the same for all of them. SubmitContext, [Pool.GoContext] and Call
// have a context for a parent of the job's: when it ends, the task ends, also
// while it waits. A job that hands jobs to its own pool should pass its own context,
// with which a submit never blocks.
//
// # The order of things
//
//	hooks( lane → claim → first middleware( … last middleware( job )))
//
// for each attempt. Within a lane the order is that of priority, then of
// submits; lanes take turns. With several workers jobs overlap, so they need not
// end in that order. With [WithAging] a job counts as more urgent the longer it
// waits.
//
// Workers start when there are jobs for them, and end when they have had nothing
// to do for a while ([WithIdleTimeout]).
//
// # What it does to other machines
//
// A line is first come, first served, over all machines that share a key. A pool
// keeps a slot for its next job of that key while the slot is young ([WithReuse]),
// so a place in line costs whoever waits behind it one job and one such window at
// most, and not one job alone. A slot that is granted while all workers are busy
// waits for the first that is free, and nobody else has it meanwhile:
// [Stats].HeldTime and IdleTime say how long slots were held, and for how much of
// that no job ran under them.
//
// # What is not promised
//
// A job that ignores its context runs on after it has lost its slot: it is
// reported after a grace ([WithGrace]), not killed; and so is one that ignores its
// [TimeLimit]. What has a pool's jobs wait
// for each other, other than [Task.Wait] with the job's own context, can wait
// for ever. A queued job is in memory only, and gone with its process. Without
// WithAging, a job of a low priority waits for as long as more urgent ones come.
package pool
