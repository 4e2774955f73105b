// Package keeper holds a slot for a command: it waits for the slot, runs the command
// under it, and sees to it that nothing of the command runs when the slot can be
// somebody else's.
//
// # States
//
//	waiting ── the slot is granted ──────────────────────────────▶ running
//	   │                                                           │  │  │
//	   │ time is up, a signal,               the command ends, or  │  │  │
//	   │ the engine refuses                  the front has gone,   │  │  │
//	   │                                     or the guard is near  │  │  │
//	   │                  nothing of it is left                    ▼  │  │
//	   │              ┌──────────────────────────────────────── asked │  │
//	   ▼              ▼                                            │  │  │
//	  over ◀──────── over ◀──── nothing of it is left ── killing ◀─┴──┘  │
//	                  ▲                                    (the slot is  │
//	                  └─── it ended, nothing of it is left   lost, or    │
//	                                                 the grace is over)  │
//	                  ◀──────────────────────────────────────────────────┘
//
// In asked everything that the command has started was sent SIGTERM; in killing it
// is sent SIGKILL until nothing of it is left. The slot is renewed in all of them,
// and goes back in over.
//
// The guard is when the slot's context ends unless it is renewed before, which is a
// margin of a quarter of a second or more before the engine can grant the slot
// anew. Grace before that the command is asked to end, at the guard it is killed,
// and the margin is left for that.
package keeper
