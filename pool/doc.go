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
// claim asks a slot source for a slot: it takes a place in line, and waits there
// without a worker. A slot is bound to a job when it is granted, and then to the
// most urgent one.
//
// # The order of things
//
//	hooks( lane → claim → first middleware( … last middleware( job )))
//
// for each attempt. Within a lane the order is that of priority, then of
// submits; lanes take turns. With several workers jobs overlap, so they need not
// end in that order.
//
// # What is not promised
//
// A job that ignores its context runs on after it has lost its slot: it is
// reported after a grace ([WithGrace]), not killed. What has a pool's jobs wait
// for each other, other than [Task.Wait] with the job's own context, can wait
// for ever. A queued job is in memory only, and gone with its process.
package pool
