package dflockd

// This file has the words that say where a claim stands. Each is one state of a
// machine of its own; what belongs to the states is in claim.go.

// stage is where a claim stands.
//
//	connect ──▶ try ───────────────────────────────────────────▶ held ──▶ done
//	        │     │ none is free                                  ▲
//	        ◀─────┘ (again, for a connection of its own)          │
//	        │                                                     │
//	        └─▶ enqueue, both ────────────────── acquired ────────┤
//	              │ queued                                        │
//	              ├──▶ place ──▶ ask ──▶ confirm ─────────────────┤
//	              │      │        │ not yet, and others wait      │
//	              │      │        └──▶ enqueue                    │
//	              └──────┴──▶ wait ──▶ confirm ───────────────────┘
//
// Only the claim of a [Semaphore] or [Lock] stops at place: nothing is granted
// to it that nobody waits for. A claim that was made with Join can go from
// connect to wait in one step. A grant that is young needs no confirmation.
//
// Any stage can end in done: refused, left, lost or released.
type stage uint8

const (
	stageConnect stage = iota // waits for a connection
	stageTry                  // sl is on its way
	stageEnqueue              // se is on its way
	stageBoth                 // se and sw are on their way, in one write
	stagePlace                // in line; nobody waits for the slot, and no sw is out
	stageAsk                  // in line; an sw of timeout 0 is out
	stageWait                 // in line; sw is out, or one sl that waits
	stageConfirm              // granted; sn is on its way to see if it still is
	stageHeld                 // confirmed: the slot may be used
	stageDone                 // over; err says why
)

var stageNames = [...]string{"connect", "try", "enqueue", "both", "place", "ask", "wait", "confirm", "held", "done"}

// String returns the name of the stage in the drawing above.
func (s stage) String() string { return stageNames[s] }

// settled reports whether the claim waits for nothing but the end of the slot.
func (s stage) settled() bool { return s >= stageHeld }

// inLine reports whether the claim has a place in line.
func (s stage) inLine() bool { return s == stagePlace || s == stageAsk || s == stageWait }

// kind is what a claim is for.
type kind uint8

const (
	kindPooled    kind = iota // of a Source: it may wait in line, and often shares a connection
	kindTry                   // of a Source: one sl, no place in line
	kindJoined                // of a Source: its claimant does not wait but is told
	kindSingle                // of a Semaphore or Lock, on a connection of its own
	kindSingleTry             // of the same: one sl, no place in line
	kindPing                  // claims nothing, asks whether the server answers
	kindErrand                // claims nothing, asks the server to do something else
)

var kindNames = [...]string{"pooled", "try", "joined", "single", "single try", "ping", "errand"}

// String returns the name of the kind.
func (k kind) String() string { return kindNames[k] }

// single reports whether the claim is that of a Semaphore or Lock.
func (k kind) single() bool { return k == kindSingle || k == kindSingleTry }

// tryOnly reports whether the claim takes no place in line.
func (k kind) tryOnly() bool { return k == kindTry || k == kindSingleTry || k == kindErrand }

// route is how a claim got where it is. It only ever grows, but that a claim that
// came back can be sent elsewhere.
type route uint8

const (
	routeTry   route = iota // it may share a connection, and tries first
	routeLine               // none was free: it joins the line over a connection of its own
	routeAgain              // sent to another connection, since the first one remembered an old claim
	routeBack               // its se was repeated after its connection broke: a grant can be old
)

var routeNames = [...]string{"try", "line", "again", "back"}

// String returns the name of the route.
func (r route) String() string { return routeNames[r] }

// owner says what the claimant knows.
type owner uint8

const (
	ownerWaits owner = iota // nothing yet
	ownerHas                // it has the slot, or had it
	ownerKnows              // it was told that it gets none
)

var ownerNames = [...]string{"waits", "has it", "knows"}

// String says what the claimant knows.
func (o owner) String() string { return ownerNames[o] }

// handback is how far the release of a slot got.
//
//	kept ──▶ sent ──▶ returned, denied
//	          │ connection broken
//	          └──▶ resent ──▶ returned
type handback uint8

const (
	handbackKept     handback = iota // nothing was sent
	handbackSent                     // sr is on its way
	handbackResent                   // sr is on its way again, the server may have had the first one
	handbackReturned                 // the server has the slot back
	handbackDenied                   // the server did not know the slot any more
)

var handbackNames = [...]string{"kept", "sent", "resent", "returned", "denied"}

// String returns the name of the state.
func (h handback) String() string { return handbackNames[h] }

// again returns the state after sr was sent once more.
func (h handback) again() handback {
	if h == handbackKept {
		return handbackSent
	}
	return handbackResent
}

// phase is where a Semaphore or Lock stands. It follows from its last claim.
type phase uint8

const (
	phaseIdle      phase = iota // nothing was claimed yet
	phaseOpening                // on the way to a place in line, or a slot
	phaseQueued                 // in line; no call waits
	phaseWaiting                // in line; a call waits for the slot
	phaseHeld                   // the slot is held, and somebody was told
	phaseReleasing              // a call waits until the server has it back
	phaseLost                   // the slot was lost, or the place and nobody was told yet
	phaseClosed                 // released, closed, given up or refused
)

var phaseNames = [...]string{"idle", "opening", "queued", "waiting", "held", "releasing", "lost", "closed"}

// String returns the name of the phase in the drawing of the package documentation.
func (p phase) String() string { return phaseNames[p] }

// live reports whether there is something that only Force may replace.
func (p phase) live() bool { return p >= phaseOpening && p <= phaseHeld }
