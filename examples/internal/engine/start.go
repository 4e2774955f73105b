package engine

import (
	"io"
	"strings"
	"time"
)

// shortLease is what an engine that is started here gives by itself.
const shortLease = 5 * time.Second

// A Started engine runs on this machine, with nothing on its disk that stays.
type Started struct {
	Kind  Kind
	URL   string // for Open, also by other processes
	Where string // it runs, for people

	close func() error
}

// Start starts an engine to try. It blocks until that answers, and says on out what may
// take a while. Close ends the engine, as does the end of this process, whatever it
// dies of.
func Start(kind Kind, out io.Writer) (*Started, error) { return kinds[kind].start(out) }

// Close ends the engine, and waits until it has.
func (s *Started) Close() error { return s.close() }

// Address is the URL without its scheme.
func (s *Started) Address() string { return trimScheme(s.URL) }

func trimScheme(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest
}
