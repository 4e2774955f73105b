// Package slot says what a slot is: the right to run, of which a key has a
// limited number, granted in the order of a line.
//
// A [Source] grants slots. Claiming one has two phases: Enqueue takes a place
// in line and returns at once; [Ticket.Wait] blocks until the slot is granted.
// A [Slot] has a context that ends when the slot is lost, and a Release.
package slot
