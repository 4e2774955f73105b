// Package check judges recordings of what jobs and claims did.
//
// It knows nothing of pools or servers: a [Recorder] notes when a job began and
// when its context ended, [Overlaps] sweeps these intervals for times at which
// more than N ran, [OutOfOrder] finds grants that overtook others, and a
// [Ledger] finds jobs with no result or with two.
package check
