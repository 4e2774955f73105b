package wire

import (
	"fmt"
	"strings"
	"time"
)

// Features is what a server says about itself in reply to Hello. A server
// that answers Hello with an error is an original dflockd and says nothing.
type Features struct {
	// Strict says that a broken connection's slots stay held until their
	// leases end (auto-release is off).
	Strict bool
	// ReadTimeout is how long a connection may be silent; 0: for ever.
	ReadTimeout time.Duration
	// MaxLease is the longest lease that is granted; 0: any.
	MaxLease time.Duration
	// Fence says that the first half of a token is a number that grows with
	// each grant.
	Fence bool
	// Tags says that requests may be tagged.
	Tags bool
	// Ping says that there is a ping command.
	Ping bool
	// Limits says that claims can bring their own limits.
	Limits bool
	// Inspect says that there is an inspect command.
	Inspect bool
	// Control says that there are pause and revoke.
	Control bool
	// Pace says that there are claims with a pace.
	Pace bool
	// ID is the server's: drawn at random when it started, 16 hexadecimal digits.
	// Two addresses that give the same one are those of one server. "": not said.
	ID string
}

// String returns the text of a reply to Hello.
func (f Features) String() string {
	bit := map[bool]int{true: 1}
	text := fmt.Sprintf("%s strict=%d read_timeout_ms=%d max_lease_s=%d fence=%d tags=%d ping=%d limits=%d inspect=%d control=%d pace=%d", helloVersion,
		bit[f.Strict], f.ReadTimeout.Milliseconds(), int64(f.MaxLease/time.Second), bit[f.Fence], bit[f.Tags], bit[f.Ping], bit[f.Limits], bit[f.Inspect], bit[f.Control], bit[f.Pace])
	if f.ID != "" {
		text += " id=" + f.ID
	}
	return text
}

// ParseFeatures reads the text of a reply to Hello. Fields that it does not
// know are ignored; a known one with a value that is none is ErrGrammar.
func ParseFeatures(text string) (f Features, err error) {
	version, rest, _ := strings.Cut(text, " ")
	if version != helloVersion {
		return Features{}, grammar(Hello)
	}
	for pair := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(pair, "=")
		if name == "id" {
			if f.ID = value; !isID(value) {
				return Features{}, grammar(Hello)
			}
			continue
		}
		n, ok := parseNumber([]byte(value), MaxSeconds)
		if !f.set(name, n) {
			continue
		}
		if !ok {
			return Features{}, grammar(Hello)
		}
	}
	return f, nil
}

// isID reports whether s is 16 lower-case hexadecimal digits.
func isID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// set sets the field called name and reports whether there is one.
func (f *Features) set(name string, n int64) bool {
	switch name {
	case "strict":
		f.Strict = n != 0
	case "read_timeout_ms":
		f.ReadTimeout = time.Duration(min(n, MaxSeconds)) * time.Millisecond
	case "max_lease_s":
		f.MaxLease = time.Duration(n) * time.Second
	case "fence":
		f.Fence = n != 0
	case "tags":
		f.Tags = n != 0
	case "ping":
		f.Ping = n != 0
	case "limits":
		f.Limits = n != 0
	case "inspect":
		f.Inspect = n != 0
	case "control":
		f.Control = n != 0
	case "pace":
		f.Pace = n != 0
	default:
		return false
	}
	return true
}
