// Package tracing shows where a job's time went: it instruments pools and slot
// sources with OpenTelemetry traces and metrics.
//
//	tracer, err := tracing.New()
//	…
//	p, err := pool.New(8, pool.WithSlots(tracer.Source(src)), pool.WithHooks(tracer.Hooks()))
//
// It uses OpenTelemetry's API alone; what becomes of spans and metrics is the
// business of the SDK that the program sets up.
//
// # Spans
//
// A job's trace has its whole life without gaps: the lengths of the spans below
// "job" add up to its own.
//
//	caller ─ job ─┬─ queue ──────── waits for a worker
//	              ├─ slot acquire ─ waits for a slot
//	              ├─ run ────────── the first attempt; the job's context has this span
//	              ├─ backoff ────── waits until it is tried again
//	              ├─ queue, slot acquire, run, …
//	slot hold ────┴─ linked with each run that it served, and they with it
//
// The span of a slot lasts from its grant until it was released or lost. It is a
// child of the job where a slot serves one job, else the root of a trace of its
// own, since a slot may serve jobs of many traces.
//
//	Span           From                            To                           Attributes
//	job            submitted                       result                       berth.key, berth.job.name, berth.job.attempts, error.type
//	queue          ready to run                    claim, or start              -
//	slot acquire   claim, or ready to run          slot held                    berth.key, berth.slot.reused, berth.slot.queued, berth.slot.ahead, error.type
//	run            start of an attempt             its end                      berth.job.attempt, berth.job.waited_for, berth.slot.lost, error.type
//	backoff        end of an attempt               ready to run                 -
//	slot hold      grant                           release or loss              berth.key, berth.slot.queued, berth.slot.runs, error.type
//
// Spans are made when a job starts, with the times of what came before: a queued
// job costs nothing but the context that the pool keeps anyway. What the
// sampler decides about "job" holds for the spans below it; it is shown names,
// parents and links, and the attributes of WithAttributes, not those above.
// A slot that was reused, or whose job ran under it already, was not waited for:
// its "slot acquire" has no length and says berth.slot.reused. A second
// "queue" follows a "slot acquire" where the slot was there and, for more than a
// millisecond, no worker was. Outside a pool "slot acquire" and "slot hold" are
// children of the caller's span.
//
// Attributes, and how many values each can have:
//
//	Attribute            Values                                         How many
//	berth.key            the key of the job or slot                     as many as keys; on metrics as WithKeyAttribute maps them
//	berth.source         the name of the source; the first has none     as many as sources
//	berth.job.name       the name of the job, if it has one             as many as names
//	berth.job.attempt    the number of the attempt, from 1              as many as attempts
//	berth.job.attempts   how many attempts were started                 as many as attempts
//	berth.job.waited_for   worker, place, slot or engine: what the attempt waited for longest, if for a millisecond   4
//	berth.slot.reused    whether the slot had served another job        2
//	berth.slot.queued    whether the claim had to wait in line          2
//	berth.slot.ahead     claims in front when it joined the line, if it had to and the source tells   as many as wait
//	berth.slot.runs      how many attempts ran under the slot           as many as runs
//	berth.slot.lost      true: the slot was lost while the job ran      1
//	error.type           slot_lost, slot_unavailable, slot_key, slot_closed, timeout, cancelled, shutdown, pool_closed, queue_full, panic, goexit, the Go type of the error, or _OTHER   few
//	state                idle: no job runs under the slot; used: one does   2
//
// Events: "queued", "granted" and "confirmed" on "slot acquire", "lost" on "slot
// hold". Keys and errors are written as the program gave them; the tokens of
// slots and the secrets of servers are never seen by this package.
//
// # Metrics
//
// Histograms have bounds from 1 ms to 5 minutes. "berth.key" is on each metric
// whose row has it, if WithKeyAttribute was given.
//
//	Metric                        Kind            Unit       Attributes                            Series
//	berth.slot.wait_time          histogram       s          berth.key, berth.source               1 a key
//	berth.slot.use_time           histogram       s          berth.key, berth.source               1 a key
//	berth.slot.pending_requests   up-down         {request}  berth.key, berth.source               1 a key
//	berth.slot.timeouts           counter         {timeout}  berth.key, berth.source               1 a key
//	berth.slot.lost               counter         {slot}     berth.key, berth.source               1 a key
//	berth.slot.count              up-down         {slot}     berth.key, berth.source, state        2 a key
//	berth.slot.max                gauge           {slot}     berth.key, berth.source               1 a key
//	berth.slot.renew.duration     histogram       s          berth.key, berth.source, error.type   1 a key and kind of error
//	berth.job.duration            histogram       s          berth.key, error.type                 1 a key and kind of error
//	berth.job.queue_time          histogram       s          berth.key                             1 a key
//	berth.job.retries             counter         {retry}    berth.key                             1 a key
//	berth.job.queued              up-down         {job}      berth.key                             1 a key
//	berth.pool.slots              up-down         {slot}     state                                 2
//	berth.pool.slot_time          counter         s          state                                 2
//	berth.pool.claims             counter         {claim}    -                                     1
//	berth.pool.claims_in_line     up-down         {claim}    -                                     1
//	berth.pool.unused_grants      counter         {grant}    -                                     1
//
// Each source of a Tracer has series of its own, but for those that were given
// the same name (see [WithSourceName]). A slot of a source counts as used while a
// job runs under it, also where the source is inside slot.All, slot.MinHold or
// another one whose slots have a method Unwrap.
//
// The metrics whose names begin with berth.pool tell how well pools use their slots
// (see [Tracer.Watch]): for what share of the time for which they have slots no
// job runs under these is the rate of berth.pool.slot_time whose state is idle,
// divided by the rate of all of it. A "run" says in berth.job.waited_for what it
// waited for longest (see [pool.WaitReason]): more workers, a higher limit, or a
// look at the engine is what would have it start sooner.
//
// The "key" of a row is what WithKeyAttribute made of it; without that there is
// one. berth.slot.max is the limit of one key: for the keys that share a series
// it is the highest limit that one of them had, not their sum, as several keys may
// stand for one semaphore. Measurements are made with the span that they belong to, so that
// exemplars lead from a bucket to a trace.
//
// # Not guaranteed
//
// A slot's span keeps as many links as the SDK's limits let it. Its end by loss
// is noted in the moment after the job's context ended. Spans of slots are
// sampled on their own.
package tracing
