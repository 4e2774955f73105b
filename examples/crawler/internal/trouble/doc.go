// Package trouble is a web for tests: sites in memory with every kind of trouble
// that a crawler meets, and the log that their owners would read.
//
// A Web works over connections in memory, so that time may be that of
// testing/synctest, and its log says to the nanosecond when each request came
// and how many were there at once. Its Handler works over a real socket as well.
package trouble
