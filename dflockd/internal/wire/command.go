package wire

import "fmt"

// Limits of the framing, in bytes without the line break.
const (
	// MaxLine is the longest line of a request.
	MaxLine = 256
	// MaxReply is the longest reply that a client should read, but for stats.
	MaxReply = 64 << 10
	// MaxStatsReply is the longest reply to stats that a client should read.
	MaxStatsReply = 16 << 20
	// MaxReference is the longest reference of a stable-ref request.
	MaxReference = 64
)

// A Command is what a request asks for.
type Command uint8

// The commands. A lock is a semaphore of limit 1, so each of the first five
// has a twin with "Sem" in its name that differs in its verb and its limit.
const (
	_            Command = iota
	Auth                 // show the shared secret
	Lock                 // acquire, waiting for at most a timeout
	Release              // give a slot back
	Renew                // set a slot's lease anew
	Enqueue              // take a place in line, never wait
	Wait                 // wait for the place that Enqueue took
	SemLock              // Lock with a limit
	SemRelease           // Release
	SemRenew             // Renew
	SemEnqueue           // Enqueue with a limit
	SemWait              // Wait
	Stats                // what the server holds, as JSON
	Ping                 // is anybody there
	Hello                // what this server can do, see Features
	StableRef            // name the claims of this connection, for a failover
	Barrier              // wait until all earlier writes are applied
	Leave                // give up the place that a tagged Enqueue took
	Inspect              // who holds slots of a key and who waits, as JSON
	Pause                // let no slot of a key be granted for a while
	Revoke               // take a slot back
	PacedLock            // SemLock with a pace
	PacedEnqueue         // SemEnqueue with a pace

	numCommands
)

// String returns the verb that is written on the wire.
func (c Command) String() string {
	if c == 0 || c >= numCommands {
		return fmt.Sprintf("Command(%d)", uint8(c))
	}
	return commands[c].verb
}

// keyRule says what the second line of a request holds.
type keyRule uint8

const (
	keyNone keyRule = iota // ignored; "_" is written
	keyName                // the key of a lock or a semaphore
	keyRef                 // a stable reference, kept in Request.Secret
)

// field is one space-separated number or word of a request's third line.
type field uint8

const (
	_ field = iota
	fieldTimeout
	fieldLimit
	fieldInterval // of a pace, in nanoseconds
	fieldBurst    // of a pace
	fieldLease    // always optional and last
	fieldToken
	fieldMillis // how long to pause, in milliseconds
	fieldProof  // the token of one who pauses; optional and last
	fieldID     // the half of a token that is no secret
	fieldSecret // the whole line
	fieldIgnored
	fieldVersion      // the protocol revision of Hello
	fieldCapabilities // words after it, see capability.go; always last
)

// shape says what a successful reply looks like.
type shape uint8

const (
	shapeOK      shape = iota // ok
	shapeGrant                // ok TOKEN LEASE, or timeout
	shapeEnqueue              // acquired TOKEN LEASE, or queued
	shapeSeconds              // ok SECONDS
	shapeText                 // ok TEXT
)

// spec is a row of the table that is the protocol.
type spec struct {
	verb   string
	key    keyRule
	fields []field
	reply  shape
}

var commands = [numCommands]spec{
	Auth:       {"auth", keyNone, []field{fieldSecret}, shapeOK},
	Lock:       {"l", keyName, []field{fieldTimeout, fieldLease}, shapeGrant},
	Release:    {"r", keyName, []field{fieldToken}, shapeOK},
	Renew:      {"n", keyName, []field{fieldToken, fieldLease}, shapeSeconds},
	Enqueue:    {"e", keyName, []field{fieldLease}, shapeEnqueue},
	Wait:       {"w", keyName, []field{fieldTimeout}, shapeGrant},
	SemLock:    {"sl", keyName, []field{fieldTimeout, fieldLimit, fieldLease}, shapeGrant},
	SemRelease: {"sr", keyName, []field{fieldToken}, shapeOK},
	SemRenew:   {"sn", keyName, []field{fieldToken, fieldLease}, shapeSeconds},
	SemEnqueue: {"se", keyName, []field{fieldLimit, fieldLease}, shapeEnqueue},
	SemWait:    {"sw", keyName, []field{fieldTimeout}, shapeGrant},
	Stats:      {"stats", keyNone, []field{fieldIgnored}, shapeText},
	Ping:       {"ping", keyNone, []field{fieldIgnored}, shapeOK},
	Hello:      {"hello", keyNone, []field{fieldVersion, fieldCapabilities}, shapeText},
	StableRef:  {"stable-ref", keyRef, nil, shapeOK},
	Barrier:    {"barrier", keyNone, nil, shapeOK},
	Leave:      {"x", keyName, nil, shapeOK},
	Pause:      {"pause", keyName, []field{fieldMillis, fieldProof}, shapeOK},
	Revoke:     {"revoke", keyName, []field{fieldID}, shapeOK},
	Inspect:    {"inspect", keyName, []field{fieldIgnored}, shapeText},

	PacedLock:    {"pl", keyName, []field{fieldTimeout, fieldLimit, fieldInterval, fieldBurst, fieldLease}, shapeGrant},
	PacedEnqueue: {"pe", keyName, []field{fieldLimit, fieldInterval, fieldBurst, fieldLease}, shapeEnqueue},
}

// byVerb is the inverse of the table.
var byVerb = func() map[string]Command {
	m := make(map[string]Command, numCommands)
	for c := Auth; c < numCommands; c++ {
		m[commands[c].verb] = c
	}
	return m
}()

// limited reports whether requests of c carry a limit; those without one mean 1.
func (c Command) limited() bool {
	return c == SemLock || c == SemEnqueue || c == PacedLock || c == PacedEnqueue
}
