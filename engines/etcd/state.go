package etcd

// state is where a claim stands.
//
//	asked ──▶ queued ──▶ granted ──▶ taken ──▶ done
//	    │        │          ▲  │                ▲
//	    ├────────┼──────────┘  │                │
//	    └────────┴─────────────┴────────────────┘
//
// A claim that somebody is told of goes from granted to taken in the same step.
type state uint8

const (
	stateAsked   state = iota // it waits for its transaction, or for the answer
	stateQueued               // in line
	stateGranted              // it has a slot, which nobody has taken yet
	stateTaken                // the slot is its holder's
	stateDone                 // over; err says why
)

var stateNames = [...]string{"asked", "queued", "granted", "taken", "done"}

// String returns the name of the state in the drawing above.
func (s state) String() string { return stateNames[s] }

// holds reports whether there is a slot.
func (s state) holds() bool { return s == stateGranted || s == stateTaken }
