package dashboard

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Defaults and bounds of the options.
const (
	defaultHistory = 5 * time.Minute
	shortestPast   = time.Minute
	longestPast    = 24 * time.Hour
	defaultKept    = 50
	mostKept       = 1000
)

type config struct {
	history time.Duration
	kept    int
	redact  func(Kind, string) string
}

// An Option configures a Recorder. A wrong one makes [NewRecorder] return an error.
type Option func(*config) error

// WithHistory sets for how long what happened is shown: what the charts cover, in
// 150 intervals, and the time of which the slowest jobs are kept. The default is 5
// minutes; from a minute to a day is possible.
func WithHistory(d time.Duration) Option {
	return func(c *config) error {
		if d < shortestPast || d > longestPast {
			return fmt.Errorf("WithHistory: %v is not from %v to %v", d, shortestPast, longestPast)
		}
		c.history = d
		return nil
	}
}

// WithKept sets how many losses, retries, failures and slow jobs are kept at most,
// of each so many. The default is 50; from 1 to 1,000 is possible.
func WithKept(n int) Option {
	return func(c *config) error {
		if n < 1 || n > mostKept {
			return fmt.Errorf("WithKept: %d is not from 1 to %d", n, mostKept)
		}
		c.kept = n
		return nil
	}
}

// A Kind says what a text is.
type Kind string

// What texts of the program are shown.
const (
	KindKey     Kind = "key"      // the key of a lane
	KindSlotKey Kind = "slot key" // what slots are claimed with
	KindName    Kind = "name"     // of a job
	KindError   Kind = "error"    // the message of one, which may have keys in it
)

// WithRedaction sets what is shown in place of the keys, slot keys, names and
// messages of the pool: what f returns for each. Where f panics a text is not
// shown. Lanes are filtered by what is shown of their keys. f is called when the
// page asks, once for each lane, possibly by several goroutines at once, and must be
// quick. By default all is shown as it is. Texts are cut after 300 bytes.
func WithRedaction(f func(kind Kind, text string) string) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("WithRedaction: the function is nil")
		}
		c.redact = f
		return nil
	}
}

func newConfig(opts []Option) (config, error) {
	c := config{history: defaultHistory, kept: defaultKept}
	for i, opt := range opts {
		if opt == nil {
			return c, fmt.Errorf("dashboard: option %d is nil", i+1)
		}
		if err := opt(&c); err != nil {
			return c, fmt.Errorf("dashboard: %w", err)
		}
	}
	return c, nil
}

// longestText is how many bytes of a text are kept and shown.
const longestText = 300

// cut shortens a text that is too long, and says so.
func cut(text string) string {
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + "…"
}

// show returns what is shown of a text.
func (c *config) show(kind Kind, text string) (shown string) {
	if c.redact == nil || text == "" {
		return cut(text)
	}
	defer func() {
		if recover() != nil {
			shown = "(the function of WithRedaction panicked)"
		}
	}()
	return cut(c.redact(kind, text))
}
