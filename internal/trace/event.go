package trace

import (
	"fmt"
	"strings"
	"time"
)

// A Kind is what happened.
type Kind uint8

// What a client notes. What says more: the request that was sent, the answer that
// was received, why a context ended.
const (
	None     Kind = iota
	Sent          // a request is about to be written
	Received      // an answer was read
	Begin         // the claimant has the slot: its context is alive
	End           // that context ends
	Close         // the connection is over for the client
)

// What a server notes. What is its answer, or why it did so.
const (
	Enqueue Kind = iota + 10 // a claim was taken
	Wait                     // so was the wait for a place
	Grant                    // the first in line got a slot
	Renew                    // the lease of a slot was set anew, or not
	Release                  // a slot is free again
	Expire                   // a lease has run out
	Leave                    // a place is given up
	Drop                     // a connection has ended
	Restart                  // a server starts, knowing nothing; Length is its grace
	Pause                    // nothing is granted of a key for Length, or any more for 0
	Revoke                   // a slot is not renewed any more
	Drain                    // nothing is granted any more, and who waits is turned out
)

// Kill is noted by whoever kills a client's process.
const Kill Kind = 30

var kindNames = map[Kind]string{
	None: "none", Sent: "sent", Received: "received", Begin: "begin", End: "end", Close: "close",
	Enqueue: "enqueue", Wait: "wait", Grant: "grant", Renew: "renew", Release: "release", Expire: "expire",
	Leave: "leave", Drop: "drop", Restart: "restart", Pause: "pause", Revoke: "revoke", Drain: "drain", Kill: "kill",
}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// A Message is a request, an answer or a reason, or a set of them.
type Message uint32

// Requests.
const (
	AskSlot  Message = 1 << iota // a slot, if one is free
	AskPlace                     // a slot, or else a place in line
	AskBoth                      // a slot, however long that takes
	AskWait                      // the slot of the place
	AskLease                     // another lease
	AskLeave                     // to give up the place
	AskFree                      // to give back the slot
)

// Answers.
const (
	Acquired Message = 1 << (iota + 8) // a slot was free
	Queued                             // there is a place, and no slot yet
	Granted                            // the slot of a place
	Refused                            // neither slot nor place, or no more
	Renewed
	Denied // not held any more
)

// Reasons.
const (
	Done    Message = 1 << (iota + 16) // it was given back
	Late                               // its guard has passed
	Lost                               // the server said that it is not held any more
	Broken                             // its connection broke
	Cleared                            // its connection was closed
	Unheard                            // nobody waits any more
)

var messageNames = map[Message]string{
	AskSlot: "ask for a slot", AskPlace: "ask for a place", AskBoth: "ask for a slot and wait", AskWait: "wait",
	AskLease: "ask for a lease", AskLeave: "leave", AskFree: "give back",
	Acquired: "acquired", Queued: "queued", Granted: "granted", Refused: "refused", Renewed: "renewed", Denied: "denied",
	Done: "done", Late: "too late", Lost: "lost", Broken: "connection broken", Cleared: "connection closed", Unheard: "given up",
}

// String names what is in the set.
func (m Message) String() string {
	var all []string
	for bit := Message(1); bit != 0 && bit <= m; bit <<= 1 {
		if m&bit != 0 {
			all = append(all, messageNames[bit])
		}
	}
	return strings.Join(all, ", ")
}

// An Event is one thing that happened.
type Event struct {
	At     time.Time
	Node   string // whose log it is from
	Kind   Kind
	What   Message
	Conn   string // the address of the client's end; "": of no connection
	Key    string
	Tag    uint64        // of a tagged request
	Claim  uint64        // a client's number of the claim; 0: the event is the server's
	Fence  uint64        // of the grant, where there is one
	Limit  int64         // of Sent and Enqueue, where they claim
	Length time.Duration // a lease, a grace or a pause
}

// String is one line, without the time.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-8s", e.Node, e.Kind)
	if e.What != 0 {
		fmt.Fprintf(&b, " (%s)", e.What)
	}
	for _, part := range []struct {
		name  string
		value any
		is    bool
	}{
		{"key", e.Key, e.Key != ""}, {"conn", e.Conn, e.Conn != ""}, {"tag", e.Tag, e.Tag != 0}, {"claim", e.Claim, e.Claim != 0},
		{"fence", e.Fence, e.Fence != 0}, {"limit", e.Limit, e.Limit != 0}, {"length", e.Length, e.Length != 0},
	} {
		if part.is {
			fmt.Fprintf(&b, " %s=%v", part.name, part.value)
		}
	}
	return b.String()
}
