package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/berth-go/berth/internal/trace"
)

// Variable names a file that [Setup.Require] has written, for
// TestTheTraceOfAFileIsARunOfTheModel.
const Variable = "BERTH_TRACE"

// Require fails a test whose trace is no run of the model. It writes the trace to a
// file that stays, and says how to replay it.
func (s Setup) Require(t testing.TB, events []trace.Event) Stats {
	t.Helper()
	stats, err := s.Check(events)
	if err == nil {
		return stats
	}
	file, lost := s.save(events)
	if lost != nil {
		t.Fatalf("%v\nthe trace cannot be written: %v", err, lost)
	}
	t.Fatalf("%v\nthe trace again: %s=%s go test -v -run '^TestTheTraceOfAFileIsARunOfTheModel$' ./internal/model/replay", err, Variable, file)
	return stats
}

func (s Setup) save(events []trace.Event) (name string, err error) {
	f, err := os.CreateTemp("", "berth-trace-*.json")
	if err != nil {
		return "", err
	}
	defer f.Close()
	return f.Name(), s.write(f, events)
}

// write writes a setup and a trace, a line each.
func (s Setup) write(out io.Writer, events []trace.Event) error {
	lines := json.NewEncoder(out)
	err := lines.Encode(s)
	for i := 0; i < len(events) && err == nil; i++ {
		err = lines.Encode(events[i])
	}
	return err
}

// read reads what write has written.
func read(in io.Reader) (s Setup, events []trace.Event, err error) {
	lines := json.NewDecoder(in)
	if err := lines.Decode(&s); err != nil {
		return s, nil, fmt.Errorf("this is no trace: %w", err)
	}
	events, err = trace.Read(io.MultiReader(lines.Buffered(), in))
	return s, events, err
}
