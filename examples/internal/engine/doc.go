// Package engine opens what the slots of an example come from: the engine that a URL
// names, see [Open], or one that it starts to try it, see [Start].
//
// What differs between dflockd, etcd and Redis is how they are reached. The limits are
// the same, and so is all that a program does with the slots.
package engine
