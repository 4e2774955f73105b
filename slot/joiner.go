package slot

import "context"

// A Joiner is a Source that tells of a grant, so that nobody has to wait for it:
// neither for the engine's first answer nor in line. A pool uses it for claims
// that none of its workers asks for, of keys that had no free slot.
type Joiner interface {
	Source

	// Join claims a slot of key like Enqueue, and returns without waiting for
	// the engine. It tells c what has become of the claim: once, on any
	// goroutine, maybe before Join returns. Of two claims that are under way
	// either can be first in line.
	//
	// When Join returns an error there is no claim, and c is told nothing. The
	// error matches ErrKey, ErrClosed, the cause of ctx or ErrUnavailable: the
	// last where the source knows without asking that the engine cannot be
	// reached. ctx bounds the call alone.
	Join(ctx context.Context, key string, c Claimant) (Place, error)
}

// A Claimant is told what has become of a claim, by one call of one of its
// methods. They must not block, and may call the source.
type Claimant interface {
	// Granted hands over the slot, which is the claimant's to release.
	Granted(Slot)

	// Refused says that the claim has ended without a slot, and why: with an
	// error that Enqueue or [Ticket.Wait] would have returned.
	Refused(error)
}

// A Place is where a claim that was made with [Joiner.Join] stands.
type Place interface {
	// Leave gives up the claim. Unless the claimant was told already, or is
	// being told, it is told ErrClosed; a slot that is granted meanwhile goes
	// back. Leave is idempotent and does not block on the network.
	Leave()
}
