// Package middleware holds behaviours that are wrapped around the jobs of a
// pool: retries, timeouts, rate limits, circuit breakers, pauses, logs. Each is a
// [pool.Middleware], given to [pool.Use]; the first one listed is the outermost.
//
//	p, err := pool.New(8, pool.Use(
//		middleware.Log(logger),
//		middleware.Retry(policy),
//		middleware.CircuitBreaker(breaker, middleware.OpenFor(time.Minute)),
//		middleware.RateLimit(limiter),
//		middleware.PauseKey(src),
//		middleware.Timeout(30*time.Second),
//	))
//
// This is the order to use; leave out what is not needed. Each attempt of a job
// passes through the whole chain:
//
//	log( retry( breaker( limit( pause( timeout( job ))))))
//
// Any of them can be one for each job key, by [PerKey], which then stands in its
// place:
//
//	log( retry( per key( breaker( limit( pause( timeout( job )))))))
//
// Retry is no loop. It returns an error that asks the pool to run the job again
// later, so that a job that backs off holds no slot, no worker and no goroutine.
// Hence everything in the chain, also what is outside Retry, sees every attempt.
//
// # What counts as what
//
// What the end of a run means to the two that keep count: Retry, which has a number
// of attempts and perhaps a [Budget], and the breaker, see [OutcomeOf].
//
//	a run of the job ends with              Retry            the breaker hears
//	nil                                     done             success
//	an error                                an attempt       failure
//	an error marked Permanent               the last         failure
//	the end of a Timeout                    an attempt       failure
//	a panic, runtime.Goexit                 the last (1)     failure
//	pool.RetryAfter(d, err)                 an attempt (2)   failure
//	pool.NotYet(d, why)                     none             neither
//	a refusal of the breaker                none             nothing: it knows
//	no turn at the RateLimit                an attempt       neither
//	put off by PauseKey                     none             neither
//	an error, and its slot was lost         an attempt (3)   neither
//	an error, and the job was cancelled,    the last         neither
//	its submitter's context ended, or the
//	pool was shut down
//
//	(1) an attempt, with RetryPanics
//	(2) the policy is not asked, and the budget stays as it is
//	(3) the last, unless the policy says otherwise: see RetryLost
//
// What is no attempt leaves [pool.Info].Attempt, MaxAttempts and the budget as they
// are, and when the task ends as it waits, its result has what its last attempt
// failed with. How long a job is put off has no bound but the context that it was
// submitted with.
//
// # Misuse
//
// A constructor given arguments that make no sense (a nil limiter, a timeout of
// zero) returns a Middleware which makes pool.New fail with an error that says
// what was wrong, so that the chain can be written in one expression.
//
// # Not guaranteed
//
// An attempt that timed out or was cancelled ends when its job returns: a job
// that ignores its context is not stopped. A retry is no promise that the
// attempt before left nothing behind.
package middleware
