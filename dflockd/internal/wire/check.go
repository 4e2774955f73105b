package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrGrammar is returned for a reply that does not fit the protocol. The
// connection it came over must not be used again.
var ErrGrammar = errors.New("malformed reply")

// MaxSeconds is the longest timeout and lease: what a time.Duration can hold,
// in whole seconds, some 292 years.
const MaxSeconds = math.MaxInt64 / int64(time.Second)

// MaxMillis is the longest pause: what a time.Duration can hold.
const MaxMillis = math.MaxInt64 / int64(time.Millisecond)

// A FieldError says which field of a request does not fit the protocol and
// why. It never holds the value, which may be a secret.
type FieldError struct {
	Field  string // "command", "key", "timeout", …
	Reason string // "is empty", "contains a control character", …
}

func (e *FieldError) Error() string { return fmt.Sprintf("the %s %s", e.Field, e.Reason) }

// Seconds returns d in whole seconds, rounded up, so that nothing is cut
// short; 0 if d is negative.
func Seconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	s := int64(d / time.Second)
	if d%time.Second != 0 {
		s++
	}
	return min(s, MaxSeconds)
}

// CheckKey reports as a *FieldError what makes key no key: it is empty or
// longer than MaxLine, not valid UTF-8, or contains a space or a control
// character.
func CheckKey[T string | []byte](key T) error {
	if reason := checkWord(key, MaxLine); reason != "" {
		return &FieldError{"key", reason}
	}
	return nil
}

// CheckSecret is CheckKey for a shared secret, which may contain spaces, but
// does not begin or end with one.
func CheckSecret[T string | []byte](secret T) error {
	reason := checkText(secret, MaxLine)
	if reason == "" && (secret[0] == ' ' || secret[len(secret)-1] == ' ') {
		reason = "begins or ends with a space"
	}
	if reason != "" {
		return &FieldError{"secret", reason}
	}
	return nil
}

// CheckReference is CheckKey for a stable reference: at most MaxReference
// printable ASCII bytes without a space.
func CheckReference[T string | []byte](ref T) error {
	reason := checkWord(ref, MaxReference)
	for i := 0; reason == "" && i < len(ref); i++ {
		if ref[i] > '~' {
			reason = "contains more than ASCII"
		}
	}
	if reason != "" {
		return &FieldError{"reference", reason}
	}
	return nil
}

// checkWord returns why s is no single word, or "".
func checkWord[T string | []byte](s T, limit int) string {
	reason := checkText(s, limit)
	for i := 0; reason == "" && i < len(s); i++ {
		if s[i] == ' ' {
			reason = "contains a space"
		}
	}
	return reason
}

// checkText returns why s cannot be a line, or "".
func checkText[T string | []byte](s T, limit int) string {
	switch {
	case len(s) == 0:
		return "is empty"
	case len(s) > limit:
		return fmt.Sprintf("is longer than %d bytes", limit)
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == 0x7f {
			return "contains a control character"
		}
		if c >= utf8.RuneSelf {
			return checkUnicode(string(s[i:]))
		}
	}
	return ""
}

// checkUnicode is the slow half of checkText.
func checkUnicode(s string) string {
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "contains a control character"
		}
	}
	return ""
}

// parseNumber reads decimal digits and nothing else: no sign, no space, no
// other base. It refuses what is over limit, so nothing can wrap.
func parseNumber(b []byte, limit int64) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (limit-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
