package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// A Status is the first word of a reply.
type Status uint8

// The statuses.
const (
	_                    Status = iota
	OK                          // done; what follows depends on the command
	Acquired                    // Enqueue: granted at once
	Queued                      // Enqueue: in line
	Timeout                     // Lock, Wait: not granted in time
	Error                       // refused: malformed, or not a holder's token
	ErrorAuth                   // wrong secret, or none; the server closes
	ErrorMaxLocks               // too many keys
	ErrorMaxWaiters             // too many waiters on the key
	ErrorLimitMismatch          // the key has another limit
	ErrorAlreadyEnqueued        // this connection has a place or a slot of the key
	ErrorNotEnqueued            // Wait without Enqueue
	ErrorLeaseExpired           // granted, and expired before Wait
	ErrorDraining               // the server is shutting down
	ErrorServerList             // clients with another list of servers have claims: Text says more
	ErrorRevoked                // the slot was taken back, and is not renewed
	ErrorNoHolder               // Revoke: nobody has this ID
	ErrorNotAllowed             // Pause, Revoke: it takes an administrator
	ErrorNotLeader              // another member of the cluster leads: Text, if known
	ErrorOther                  // an error of a later protocol: Text

	numStatuses
)

var statuses = [numStatuses]string{
	OK:                   "ok",
	Acquired:             "acquired",
	Queued:               "queued",
	Timeout:              "timeout",
	Error:                "error",
	ErrorAuth:            "error_auth",
	ErrorMaxLocks:        "error_max_locks",
	ErrorMaxWaiters:      "error_max_waiters",
	ErrorLimitMismatch:   "error_limit_mismatch",
	ErrorAlreadyEnqueued: "error_already_enqueued",
	ErrorNotEnqueued:     "error_not_enqueued",
	ErrorLeaseExpired:    "error_lease_expired",
	ErrorDraining:        "error_draining",
	ErrorServerList:      "error_server_list",
	ErrorRevoked:         "error_revoked",
	ErrorNoHolder:        "error_no_holder",
	ErrorNotAllowed:      "error_not_allowed",
	ErrorNotLeader:       "error_not_leader",
	ErrorOther:           "error_other", // on the wire: Text
}

var byStatus = func() map[string]Status {
	m := make(map[string]Status, numStatuses)
	for s := OK; s < ErrorOther; s++ {
		m[statuses[s]] = s
	}
	return m
}()

// String returns the word that is written on the wire.
func (s Status) String() string {
	if s == 0 || s >= numStatuses {
		return fmt.Sprintf("Status(%d)", uint8(s))
	}
	return statuses[s]
}

// IsError reports whether s is a refusal of some kind. A timeout is none.
func (s Status) IsError() bool { return s >= Error }

// A Reply is what a server answers.
type Reply struct {
	Status Status
	// Tag is that of the request.
	Tag uint64
	// Token names the grant.
	Token Token
	// Seconds is the lease of a grant, or what is left of it after a renewal.
	Seconds int64
	// Paused is for how many milliseconds nothing is granted of the key: of a
	// renewal; 0: not said.
	Paused int64
	// Place is that in line, from 1, of Queued; 0: not said.
	Place int64
	// Text is the JSON of stats, the fields of hello, the address of the
	// leader, or the whole text of an ErrorOther.
	Text string
}

// AppendReply appends the line that answers a request of command c, with its
// line break.
func AppendReply(dst []byte, c Command, r Reply) []byte {
	dst = appendTag(dst, r.Tag)
	if r.Status == ErrorOther {
		dst = append(dst, r.Text...)
		return append(dst, '\n')
	}
	dst = append(dst, statuses[r.Status]...)
	switch {
	case hasToken(c, r.Status):
		dst = append(dst, ' ')
		dst = r.Token.AppendTo(dst)
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, r.Seconds, 10)
	case r.Status == OK && c < numCommands && commands[c].reply == shapeSeconds:
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, r.Seconds, 10)
		if r.Paused > 0 {
			dst = append(dst, " "+pausedField...)
			dst = strconv.AppendInt(dst, r.Paused, 10)
		}
	case r.Status == Queued && r.Place > 0:
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, r.Place, 10)
	case r.Text != "":
		dst = append(dst, ' ')
		dst = append(dst, r.Text...)
	}
	return append(dst, '\n')
}

// hasToken reports whether a reply with status s to command c is a grant.
func hasToken(c Command, s Status) bool {
	if c >= numCommands {
		return false
	}
	return s == Acquired || s == OK && commands[c].reply == shapeGrant
}

// ParseReply reads the reply to a request of command c from its line, without
// the line break. Further fields at the end of a success line are ignored.
// An error_… that is not known is an ErrorOther with the line as its Text.
// Anything else that does not answer c is ErrGrammar.
func ParseReply(c Command, line []byte) (Reply, error) {
	if c == 0 || c >= numCommands {
		return Reply{}, fmt.Errorf("%w: no such command", ErrGrammar)
	}
	tag, rest, ok := CutTag(line)
	if !ok {
		return Reply{}, grammar(c)
	}
	r, ok := parseReply(c, rest)
	if !ok {
		return Reply{}, grammar(c)
	}
	r.Tag = tag
	return r, nil
}

// grammar returns ErrGrammar with the command. The line may hold a token, and
// stays out.
func grammar(c Command) error { return fmt.Errorf("%w to %q", ErrGrammar, c) }

func parseReply(c Command, line []byte) (r Reply, ok bool) {
	word, rest, more := bytes.Cut(line, []byte(" "))
	r.Status, ok = byStatus[string(word)]
	if !ok || r.Status.IsError() {
		return parseError(r.Status, word, line, rest)
	}
	switch shape := commands[c].reply; shape {
	case shapeOK:
		return r, r.Status == OK
	case shapeSeconds:
		word, rest, _ = bytes.Cut(rest, []byte(" "))
		r.Seconds, ok = parseNumber(word, MaxSeconds)
		r.Paused = pausedOf(rest)
		return r, ok && r.Status == OK
	case shapeText:
		r.Text = string(rest)
		return r, r.Status == OK && more && checkText(rest, MaxStatsReply) == ""
	case shapeGrant, shapeEnqueue:
		granted, waiting := OK, Timeout
		if shape == shapeEnqueue {
			granted, waiting = Acquired, Queued
		}
		switch r.Status {
		case granted:
			return parseGrant(r, rest)
		case Queued:
			r.Place = placeOf(rest)
		}
		return r, r.Status == waiting
	}
	panic("bug: a reply shape that is not in the table")
}

func parseGrant(r Reply, rest []byte) (Reply, bool) {
	token, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return Reply{}, false
	}
	if r.Token, ok = ParseToken(token); !ok || r.Token.IsZero() {
		return Reply{}, false
	}
	lease, _, _ := bytes.Cut(rest, []byte(" "))
	r.Seconds, ok = parseNumber(lease, MaxSeconds)
	return r, ok && r.Seconds > 0
}

// pausedField is what stands in front of Reply.Paused.
const pausedField = "paused_ms="

// pausedOf finds for how long a key is paused among the further fields of a
// renewal.
func pausedOf(rest []byte) int64 {
	for len(rest) > 0 {
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte(" "))
		if value, is := bytes.CutPrefix(word, []byte(pausedField)); is {
			n, _ := parseNumber(value, MaxMillis)
			return n
		}
	}
	return 0
}

// placeOf reads the place in line, if there is one.
func placeOf(rest []byte) int64 {
	word, _, _ := bytes.Cut(rest, []byte(" "))
	place, _ := parseNumber(word, math.MaxInt64)
	return place
}

func parseError(s Status, word, line, rest []byte) (Reply, bool) {
	if checkText(line, MaxReply) != "" {
		return Reply{}, false
	}
	if s != 0 {
		return Reply{Status: s, Text: string(rest)}, true
	}
	if !bytes.HasPrefix(word, []byte("error_")) {
		return Reply{}, false
	}
	return Reply{Status: ErrorOther, Text: string(line)}, true
}
