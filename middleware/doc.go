// Package middleware holds behaviours that are wrapped around the jobs of a
// pool: retries, timeouts, rate limits, circuit breakers, logs. Each is a
// [pool.Middleware], given to [pool.Use]; the first one listed is the outermost.
//
//	p, err := pool.New(8, pool.Use(
//		middleware.Log(logger),
//		middleware.Retry(policy),
//		middleware.CircuitBreaker(breaker),
//		middleware.RateLimit(limiter),
//		middleware.Timeout(30*time.Second),
//	))
//
// This is the order to use; leave out what is not needed. Each attempt of a job
// passes through the whole chain:
//
//	log( retry( breaker( limit( timeout( job )))))
//
// Retry is no loop. It returns an error that asks the pool to run the job again
// later, so that a job that backs off holds no slot, no worker and no goroutine.
// Hence everything in the chain, also what is outside Retry, sees every attempt.
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
