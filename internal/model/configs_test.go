package model_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berth-go/berth/internal/model"
)

// A config is one configuration of a model, small enough to be explored
// completely.
type config struct {
	name string
	what string // what it is for
	file string
	args []string // definitions, without the -D
	// quick configurations are part of the short form.
	quick bool
	// unreached is code that this configuration cannot reach, as the checker
	// prints it.
	unreached []string
	// states is how many there are, where that is asserted without the checker, too.
	states int
}

// live reports whether the configuration is one of the model of liveness.
func (c config) live() bool { return c.file == "line.pml" }

// safety is a configuration of lease.pml.
func safety(name, what string, t timing, args ...string) config {
	args = append(t.args(), args...)
	return config{name: name, what: what, file: "lease.pml", args: args}
}

// liveness is a configuration of line.pml.
func liveness(name, what string, args ...string) config {
	return config{name: name, what: what, file: "line.pml", args: args, quick: true}
}

func (c config) short() config { c.quick = true; return c }

func (c config) without(code ...string) config { c.unreached = code; return c }

func (c config) of(states int) config { c.states = states; return c }

// inGo returns the same configuration for [model.Config.Next].
func (c config) inGo() *model.Config {
	numbers := map[string]int{}
	m := &model.Config{Young: 1}
	flags := map[string]*bool{
		"STRICT": &m.Strict, "CUT": &m.Cut, "CRASH": &m.Crash, "CANCEL": &m.Cancel, "PAUSE": &m.Pause, "DRIFT": &m.Drift,
		"FREEZE": &m.Freeze, "RESTART": &m.Restart, "WAIT": &m.Wait, "GHOSTS": &m.Ghosts, "LEAVE": &m.Leave, "HALT": &m.Halt,
		"REVOKE": &m.Revoke, "LIMITS": new(bool),
	}
	for _, a := range c.args {
		name, value, _ := strings.Cut(a, "=")
		n, err := strconv.Atoi(value)
		switch flag := flags[name]; {
		case flag != nil:
			*flag = true
		case value == "L":
			numbers[name] = numbers["L"]
		case err == nil:
			numbers[name] = n
		default:
			panic("configs_test.go has a definition that the model in Go does not know: " + a)
		}
	}
	for range numbers["C"] {
		m.Limits = append(m.Limits, numbers["N"])
	}
	if *flags["LIMITS"] {
		m.Limits[0] = 1
	}
	time := func(name string) model.Time { return model.Time(numbers[name]) }
	m.Lease, m.Margin, m.Beat, m.Answer, m.Grace = time("L"), time("MARGIN"), time("B"), time("R"), time("GRACE")
	return m
}

// A timing is how many clients share how many slots, and the times in ticks.
type timing struct{ clients, slots, lease, margin, beat, answer int }

func (t timing) args() []string {
	return []string{
		fmt.Sprintf("C=%d", t.clients), fmt.Sprintf("N=%d", t.slots), fmt.Sprintf("L=%d", t.lease),
		fmt.Sprintf("MARGIN=%d", t.margin), fmt.Sprintf("B=%d", t.beat), fmt.Sprintf("R=%d", t.answer),
	}
}

var (
	// two clients contend for one slot.
	two = timing{clients: 2, slots: 1, lease: 4, margin: 1, beat: 1, answer: 1}
	// longer has room between the latest end by a deadline and the guard.
	longer = timing{clients: 2, slots: 1, lease: 5, margin: 1, beat: 1, answer: 1}
	// patient waits for an answer for longer than its lease may last.
	patient = timing{clients: 2, slots: 1, lease: 4, margin: 1, beat: 1, answer: 3}
	// long has a renewal that takes two ticks.
	long = timing{clients: 2, slots: 1, lease: 7, margin: 1, beat: 2, answer: 2}
	// three clients contend for two slots.
	three = timing{clients: 3, slots: 2, lease: 3, margin: 1, beat: 1, answer: 1}
)

// closingInLine clears the place of a closed connection. Where connections do
// not break, the client closes them only for a late renewal, so none has a place.
const closingInLine = "proctype peer: line??eval(_pid)"

// closing is all that has to do with connections that end. With a lease of three
// ticks the guard comes no later than the deadline of a renewal, which is the
// one thing for which a client closes a connection of a strict server.
var closing = append([]string{
	"proctype peer: link[_pid] = Up",
	"proctype peer: closed[_pid] = 1",
	"proctype peer: closed[_pid] = 0",
	closingInLine,
}, deadlines...)

// deadlines is what a client does when the deadline of a renewal passes.
var deadlines = []string{
	"proctype clock: unseen[i] = 1",
	"proctype clock: answer[i] = 0",
	"proctype clock: renewing[i] = 0",
	"proctype clock: age[i] = 0",
}

var configs = []config{
	safety("strict", "connections break, slots are renewed over others", two, "STRICT", "CUT").short(),
	safety("strict-patient", "a renewal's answer may take longer than the lease lasts", patient, "STRICT", "CUT").short().without(deadlines...),
	safety("strict-long", "the same with longer times", long, "STRICT", "CUT"),
	safety("strict-three", "a limit of two, messages are delayed", three, "STRICT").without(closing...),
	safety("strict-crash", "clients die", two, "STRICT", "CUT", "CRASH").short(),
	safety("strict-cancel", "claimants give up", two, "STRICT", "CUT", "CANCEL").short(),
	safety("strict-restart", "the server restarts, with a grace", two, "STRICT", "CUT", "RESTART", "GRACE=L").short(),
	safety("strict-pause", "clients are suspended and resume", two, "STRICT", "CUT", "PAUSE").short(),
	safety("strict-freeze", "the server is stopped and resumes", two, "STRICT", "CUT", "FREEZE").short(),
	safety("strict-drift", "clients' clocks run slow", longer, "STRICT", "CUT", "DRIFT"),
	safety("strict-wait", "a place first, then its slot", two, "STRICT", "CUT", "WAIT"),
	safety("strict-ghosts", "the same with the original server's answers", two, "STRICT", "CUT", "WAIT", "GHOSTS").short(),
	safety("strict-limits", "one client's claims have a limit of their own", three, "STRICT", "LIMITS").short().without(closing...),
	safety("strict-leave", "the same, and claimants give their places up", three, "STRICT", "LIMITS", "LEAVE").short().without(closing...),
	safety("strict-halt", "somebody lets nothing be granted for a while", two, "STRICT", "CUT", "HALT").short(),
	safety("strict-revoke", "somebody takes slots back", two, "STRICT", "CUT", "REVOKE").short(),
	safety("immediate", "connections break, slots are free at once", longer, "CUT").short(),
	safety("immediate-long", "the same with longer times", long, "CUT"),
	safety("immediate-slow", "answers are late, nothing else breaks", longer).short().without(closingInLine).of(11817),
	safety("immediate-halt", "the same, and somebody lets nothing be granted for a while", longer, "HALT").short().without(closingInLine).of(24954),
	safety("immediate-revoke", "the same, and somebody takes slots back", longer, "REVOKE").short().without(closingInLine).of(24921),
	safety("immediate-crash", "clients die", longer, "CUT", "CRASH").short(),
	safety("immediate-cancel", "claimants give up", longer, "CUT", "CANCEL"),
	safety("immediate-restart", "the server restarts, without a grace", longer, "CUT", "RESTART", "GRACE=0"),
	safety("immediate-pause", "clients are suspended and resume", longer, "CUT", "PAUSE"),

	liveness("line", "whoever waits is served", "C=3", "N=1"),
	liveness("line-two", "the same with a limit of two", "C=3", "N=2"),
	liveness("line-crash", "holders go", "C=3", "N=1", "CRASH"),
	liveness("line-cut", "connections of those who wait break", "C=3", "N=1", "CUT"),
	liveness("line-restart", "the server restarts", "C=3", "N=1", "RESTART"),
}
