package link

import "strings"

// Escaped returns a path or query in one spelling: letters, digits and "-._~"
// as they are, every other escape with capital hex digits, and escaped what must
// not stand in a URL, a "%" that begins no escape included.
func Escaped(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		decoded, isEscape := escapeAt(text[i:])
		switch {
		case isEscape && isUnreserved(decoded):
			b.WriteByte(decoded)
			i += 2
		case isEscape:
			escape(&b, decoded)
			i += 2
		case c <= ' ' || c >= 0x7F || strings.IndexByte("%\"<>\\^`{|}", c) >= 0:
			escape(&b, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Unescaped returns text with all its escapes decoded. A "%" that begins none
// stays.
func Unescaped(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if decoded, ok := escapeAt(text[i:]); ok {
			b.WriteByte(decoded)
			i += 2
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// escapeAt returns the byte that the escape at the beginning of text stands for.
func escapeAt(text string) (byte, bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	high, low := hexValue(text[1]), hexValue(text[2])
	if high < 0 || low < 0 {
		return 0, false
	}
	return byte(high<<4 | low), true
}

func hexValue(c byte) int {
	if 'a' <= c && c <= 'f' {
		c -= 'a' - 'A'
	}
	return strings.IndexByte(capitalHex, c)
}

const capitalHex = "0123456789ABCDEF"

func escape(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteByte(capitalHex[c>>4])
	b.WriteByte(capitalHex[c&15])
}

// isUnreserved reports whether c means the same escaped and as it is.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
