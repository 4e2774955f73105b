// Package slottest checks that a source of slots keeps the promises of package
// slot. Whoever writes a source runs it over that source:
//
//	func TestSource(t *testing.T) {
//		slottest.Run(t, func(t *testing.T) slottest.Harness {
//			return slottest.Harness{Source: slot.NewLocal(2), FIFO: true}
//		})
//	}
//
// A [Harness] is a source made for one check, and what it claims to keep. A
// promise that it does not claim (order, loss, a fence) is not checked; each
// run prints what was claimed and what was not. A source with leases should give
// Silence and Peer: that a slot ends before its lease does, with nobody to say so,
// is what its users rely on most, and nothing else here looks at it.
//
// [Run] works on the real clock: a check that nothing happens watches for a
// moment, and a promise that is kept late is a failure. [RunSynctest] does the
// same in a bubble of testing/synctest, where those times are fake and exact;
// the source has to reach its engine over memory then. Both count goroutines,
// so no other test of the same process may run meanwhile: do not call
// t.Parallel.
//
// [Breakable] makes of any source one whose slots can be lost and whose engine
// can go away, for tests of what has to survive that.
//
// The checks look at one process. That two processes never hold the same slot
// is for the tests of the engine, and no check finds a fault that needs more
// luck than its few hundred claims bring.
package slottest
