// Package trace has the events of clients and servers that a test can have
// recorded, so that what the real stack did can be replayed in the model of the
// protocol (internal/model).
//
// A client and a server are given a [Log] by options that are not part of their
// packages' API: [ClientOption] and [ServerOption]. Without a log the hook costs a
// comparison with nil, and nothing is allocated.
//
// Events are noted at the moment at which the state changes, under the mutex that
// guards it, and before anything that follows from it can be seen elsewhere: a
// request is noted before it is written, and an answer before it is. So the order of
// a journal is one in which each cause comes before its effect. The time of an event is
// the one by which its client or server acted, and never goes back within a journal; so
// the journals of several processes of a machine can be merged by time.
//
// The journal of a process that is to be killed writes each event to a file as it comes,
// also under that mutex: what a killed process has done must be in the file.
//
// No event has a token: a grant is named by its fence.
package trace
