package wire

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Token names a grant. Whoever has it may renew and release the slot, so it
// never prints: every verb of fmt, slog and encoders show a placeholder.
// AppendTo is the one way to its digits.
type Token [16]byte

// TokenLen is the length of a token on the wire: 32 hexadecimal digits.
const TokenLen = 32

// ParseToken reads the 32 lower-case hexadecimal digits of a token.
func ParseToken(b []byte) (t Token, ok bool) {
	if len(b) != TokenLen {
		return Token{}, false
	}
	for i := range t {
		hi, ok1 := unhex(b[2*i])
		lo, ok2 := unhex(b[2*i+1])
		if !ok1 || !ok2 {
			return Token{}, false
		}
		t[i] = hi<<4 | lo
	}
	return t, true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// AppendTo appends the token's digits to dst, as they go over the wire.
func (t Token) AppendTo(dst []byte) []byte { return hex.AppendEncode(dst, t[:]) }

// IsZero reports whether t is no token at all.
func (t Token) IsZero() bool { return t == Token{} }

// Fence returns the first half of the token as a number. It means something
// only where the server is known to issue fences.
func (t Token) Fence() uint64 {
	var f uint64
	for _, b := range t[:8] {
		f = f<<8 | uint64(b)
	}
	return f
}

// FormatID returns the name of a grant by its fence: 16 hexadecimal digits.
func FormatID(fence uint64) string { return fmt.Sprintf("%016x", fence) }

// ParseID reads what FormatID returns.
func ParseID[T string | []byte](id T) (fence uint64, ok bool) {
	if len(id) != TokenLen/2 {
		return 0, false
	}
	for i := range len(id) {
		digit, ok := unhex(id[i])
		if !ok {
			return 0, false
		}
		fence = fence<<4 | uint64(digit)
	}
	return fence, true
}

// String returns a placeholder.
func (t Token) String() string { return redacted }

// GoString returns a placeholder.
func (t Token) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (t Token) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redacted) }

// MarshalText returns a placeholder.
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// A Secret is a word that gives access: the shared secret of auth, or a
// stable reference. It prints as a placeholder; convert it to string to use it.
type Secret string

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redacted) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
