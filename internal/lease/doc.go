// Package lease has the arithmetic of leases, which is the same for every engine
// that keeps a slot for a time: until when a slot may be relied on, when its lease
// is to be renewed, and how long the answer to that may take. It is pure: time
// comes in as an argument, and nothing here waits.
//
// With L the length of a lease and t the moment before the request was sent that
// set it:
//
//	usable = 0.99 L − max(250 ms, L/20)
//	guard  = t + usable
//	beat   = min(L/3, ratio × L, longest), and at least 100 ms
//	answer = min(2 s, (usable − beat)/2)
//
// The engine sets a lease when it handles the request. The holder cannot know when
// that was, only that it was not before t: so everything counts from t, and never
// from an answer. The hundredth is for two clocks that run at different speeds, the
// rest of the margin for the time that a context takes to end and a job to see it.
//
// A third of the lease leaves time to try twice: two answers, each as late as
// may be, fit between a beat and the guard, so a slot whose connection broke can be
// renewed over another. A lease of a second has its beat at 0.33 s, waits 0.2 s for
// an answer and ends at 0.74 s; one of a quarter of a second leaves nothing to rely
// on.
//
// The guard heeds two clocks. The monotonic one stands still while a machine is
// suspended, the wall clock does not; the wall clock can be set back, the
// monotonic one cannot. A moment has passed when either says so.
package lease
