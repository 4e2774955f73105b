package wire

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/berth-go/berth/internal/gcra"
)

// A Request is what a client asks. Which fields count depends on the command;
// AppendRequest ignores the others.
type Request struct {
	Command Command
	// Tag lets the reply come out of order; 0 means untagged.
	Tag uint64
	// Key names the lock or the semaphore.
	Key string
	// Token names the grant of a release or a renewal.
	Token Token
	// Secret is auth's shared secret, or the reference of stable-ref.
	Secret Secret
	// Timeout is how long lock and wait may wait, in whole seconds.
	Timeout int64
	// Limit is how many may hold the semaphore at once. ParseRequest sets it
	// to 1 for a lock.
	Limit int64
	// Lease is in whole seconds; 0 leaves it to the server.
	Lease int64
	// Pace is how often the clock of the key lets such a claim go.
	Pace gcra.Pace
	// Millis is how long Pause pauses, in milliseconds; 0 ends it.
	Millis int64
	// ID names the grant that Revoke takes back: the fence of its token.
	ID uint64
	// List is where the client of a hello has the server in its list.
	List ServerList
	// OwnLimits says of the client of a hello that its claims bring their own
	// limits, whatever those of others are.
	OwnLimits bool
	// Fields says of the client of a hello that it takes further fields at the end
	// of an answer: the place in line of Queued.
	Fields bool
	// Name is what the client of a hello calls itself; "": it has not said.
	Name string
}

// helloVersion is the revision of Hello that both sides speak.
const helloVersion = "1"

// AppendRequest appends the three lines of r to dst. It checks every field
// first: with an error, always a *FieldError, nothing is appended.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	if err := r.check(); err != nil {
		return dst, err
	}
	sp := &commands[r.Command]
	dst = appendTag(dst, r.Tag)
	dst = append(dst, sp.verb...)
	dst = append(dst, '\n')
	switch sp.key {
	case keyName:
		dst = append(dst, r.Key...)
	case keyRef:
		dst = append(dst, r.Secret...)
	default:
		dst = append(dst, '_')
	}
	dst = append(dst, '\n')
	for i, f := range sp.fields {
		if f == fieldLease && r.Lease == 0 || f == fieldProof && r.Token.IsZero() {
			break
		}
		if i > 0 && f != fieldCapabilities {
			dst = append(dst, ' ')
		}
		dst = r.appendField(dst, f)
	}
	return append(dst, '\n'), nil
}

func appendTag(dst []byte, tag uint64) []byte {
	if tag == 0 {
		return dst
	}
	dst = append(dst, '#')
	dst = strconv.AppendUint(dst, tag, 10)
	return append(dst, ' ')
}

func (r *Request) appendField(dst []byte, f field) []byte {
	switch f {
	case fieldTimeout:
		return strconv.AppendInt(dst, r.Timeout, 10)
	case fieldLimit:
		return strconv.AppendInt(dst, r.Limit, 10)
	case fieldInterval:
		return strconv.AppendInt(dst, int64(r.Pace.Interval), 10)
	case fieldBurst:
		return strconv.AppendInt(dst, r.Pace.Burst, 10)
	case fieldLease:
		return strconv.AppendInt(dst, r.Lease, 10)
	case fieldToken, fieldProof:
		return r.Token.AppendTo(dst)
	case fieldMillis:
		return strconv.AppendInt(dst, r.Millis, 10)
	case fieldID:
		return append(dst, FormatID(r.ID)...)
	case fieldSecret:
		return append(dst, r.Secret...)
	case fieldVersion:
		return append(dst, helloVersion...)
	case fieldCapabilities:
		return r.appendCapabilities(dst)
	default:
		return append(dst, '_')
	}
}

// check validates the fields that r's command uses.
func (r *Request) check() error {
	if r.Command == 0 || r.Command >= numCommands {
		return &FieldError{"command", "is unknown"}
	}
	if r.Tag > math.MaxInt64 {
		return &FieldError{"tag", "is out of range"}
	}
	if r.Command == Leave && r.Tag == 0 {
		return &FieldError{"tag", "is missing"}
	}
	sp := &commands[r.Command]
	if sp.key == keyName {
		if err := CheckKey(r.Key); err != nil {
			return err
		}
	}
	if sp.key == keyRef {
		return CheckReference(string(r.Secret))
	}
	for _, f := range sp.fields {
		if err := r.checkField(f); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) checkField(f field) error {
	switch {
	case f == fieldTimeout && (r.Timeout < 0 || r.Timeout > MaxSeconds):
		return &FieldError{"timeout", "is out of range"}
	case f == fieldLimit && r.Limit < 1:
		return &FieldError{"limit", "is less than 1"}
	case f == fieldInterval && !r.Pace.IsValid():
		return &FieldError{"pace", "is out of range"}
	case f == fieldLease && (r.Lease < 0 || r.Lease > MaxSeconds):
		return &FieldError{"lease", "is out of range"}
	case f == fieldMillis && (r.Millis < 0 || r.Millis > MaxMillis):
		return &FieldError{"pause", "is out of range"}
	case f == fieldToken && r.Token.IsZero():
		return &FieldError{"token", "is empty"}
	case f == fieldSecret:
		return CheckSecret(string(r.Secret))
	case f == fieldCapabilities && !r.List.valid():
		return &FieldError{"list of servers", "is out of range"}
	case f == fieldCapabilities && r.Name != "":
		return checkName(r.Name)
	}
	return nil
}

// ParseRequest reads the three lines of a request, without their line breaks.
// The error is a *FieldError; the request then has its Tag if that could be
// read, so that the refusal can carry it.
func ParseRequest(cmd, key, arg []byte) (Request, error) {
	r, err := Parse(cmd, key, arg)
	if err == nil && commands[r.Command].key == keyName {
		r.Key = string(key)
	}
	return r, err
}

// Parse is ParseRequest but for Key, which it checks and leaves empty: its
// caller has the bytes, and may not need a string made of them.
func Parse(cmd, key, arg []byte) (r Request, err error) {
	tag, verb, ok := CutTag(cmd)
	if !ok {
		return r, &FieldError{"tag", "is malformed"}
	}
	r.Tag = tag
	c, ok := byVerb[string(verb)]
	if !ok {
		return r, &FieldError{"command", "is unknown"}
	}
	r.Command = c
	if c == Leave && tag == 0 {
		return r, &FieldError{"tag", "is missing"}
	}
	sp := &commands[c]
	switch sp.key {
	case keyName:
		err = CheckKey(key)
	case keyRef:
		err = CheckReference(key)
		r.Secret = Secret(key)
	}
	if err != nil {
		return r, err
	}
	return r, r.parseFields(sp, arg)
}

// CutTag splits the tag, 0 if there is none, off the first line of a request
// or off a reply. It returns false if there is a tag that is malformed.
func CutTag(line []byte) (tag uint64, rest []byte, ok bool) {
	if len(line) == 0 || line[0] != '#' {
		return 0, line, true
	}
	digits, rest, ok := bytes.Cut(line[1:], []byte(" "))
	if !ok {
		return 0, line, false
	}
	n, ok := parseNumber(digits, math.MaxInt64)
	if !ok || n == 0 {
		return 0, line, false
	}
	return uint64(n), rest, true
}

func (r *Request) parseFields(sp *spec, arg []byte) error {
	if !r.Command.limited() {
		r.Limit = 1
	}
	for _, f := range sp.fields {
		var word []byte
		if f == fieldCapabilities {
			return r.parseCapabilities(arg)
		}
		if f == fieldSecret {
			word, arg = bytes.Trim(arg, " \t"), nil
		} else {
			word, arg = cutWord(arg)
		}
		if len(word) == 0 && (f == fieldLease || f == fieldProof) {
			break
		}
		if f == fieldIgnored {
			return nil
		}
		if err := r.parseField(f, word); err != nil {
			return err
		}
	}
	if word, _ := cutWord(arg); len(word) > 0 {
		return &FieldError{"argument", "has too many fields"}
	}
	return nil
}

// cutWord splits the first word off b; words are separated by spaces and tabs.
func cutWord(b []byte) (word, rest []byte) {
	blank := func(c byte) bool { return c == ' ' || c == '\t' }
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for i, c := range b {
		if blank(c) {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

func (r *Request) parseField(f field, word []byte) (err error) {
	switch f {
	case fieldTimeout:
		r.Timeout, err = parseField(word, "timeout", 0, MaxSeconds)
	case fieldLimit:
		r.Limit, err = parseField(word, "limit", 1, math.MaxInt64)
	case fieldInterval:
		var n int64
		n, err = parseField(word, "interval", 1, int64(gcra.MaxInterval))
		r.Pace.Interval = time.Duration(n)
	case fieldBurst:
		r.Pace.Burst, err = parseField(word, "burst", 1, gcra.MaxBurst)
	case fieldLease:
		r.Lease, err = parseField(word, "lease", 1, MaxSeconds)
	case fieldMillis:
		r.Millis, err = parseField(word, "pause", 0, MaxMillis)
	case fieldID:
		var ok bool
		if r.ID, ok = ParseID(word); !ok {
			err = &FieldError{"ID", "is malformed"}
		}
	case fieldToken, fieldProof:
		var ok bool
		if r.Token, ok = ParseToken(word); !ok {
			err = &FieldError{"token", "is malformed"}
		}
	case fieldSecret:
		if err = CheckSecret(word); err == nil {
			r.Secret = Secret(word)
		}
	case fieldVersion:
		if string(word) != helloVersion {
			err = &FieldError{"version", "is unknown"}
		}
	default:
		panic("bug: a field that is not in the table")
	}
	return err
}

func parseField(word []byte, name string, low, high int64) (int64, error) {
	n, ok := parseNumber(word, high)
	if !ok {
		return 0, &FieldError{name, "is not a number in range"}
	}
	if n < low {
		return 0, &FieldError{name, "is too small"}
	}
	return n, nil
}
