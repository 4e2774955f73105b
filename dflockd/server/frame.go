package server

import (
	"bytes"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// frame says what cutRequest found.
type frame uint8

const (
	complete frame = iota
	incomplete
	tooLong
)

// cutRequest finds the three lines of the first request in b, without their
// line breaks, and returns how many bytes they take.
func cutRequest(b []byte, lines *[3][]byte) (n int, state frame) {
	for i := range lines {
		end := bytes.IndexByte(b[n:], '\n')
		if end > wire.MaxLine || end < 0 && len(b)-n > wire.MaxLine {
			return 0, tooLong
		}
		if end < 0 {
			return 0, incomplete
		}
		lines[i] = bytes.TrimRight(b[n:n+end], "\r")
		n += end + 1
	}
	return n, complete
}
