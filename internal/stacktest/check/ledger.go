package check

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A Ledger notes what became of jobs. It is safe for concurrent use; the zero
// Ledger is empty.
type Ledger struct {
	mu   sync.Mutex // guards jobs
	jobs map[string]*entry
}

type entry struct {
	accepted, refused int
	started           int
	attempts          int // starts that were asked for
	running           int
	results           []error
}

func (l *Ledger) with(id string, f func(*entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs == nil {
		l.jobs = map[string]*entry{}
	}
	e := l.jobs[id]
	if e == nil {
		e = &entry{attempts: 1}
		l.jobs[id] = e
	}
	f(e)
}

// Accepted notes that the pool took the job.
func (l *Ledger) Accepted(id string) { l.with(id, func(e *entry) { e.accepted++ }) }

// Refused notes that the pool did not take the job.
func (l *Ledger) Refused(id string) { l.with(id, func(e *entry) { e.refused++ }) }

// Started notes that the job runs. The caller calls the function that it
// returns when the job no longer does.
func (l *Ledger) Started(id string) (stopped func()) {
	l.with(id, func(e *entry) { e.started++; e.running++ })
	return func() { l.with(id, func(e *entry) { e.running-- }) }
}

// Again notes that the job asked to be run once more.
func (l *Ledger) Again(id string) { l.with(id, func(e *entry) { e.attempts++ }) }

// Result notes how the job ended; nil is a success.
func (l *Ledger) Result(id string, err error) {
	l.with(id, func(e *entry) { e.results = append(e.results, err) })
}

// Check returns an error that names each job whose account does not balance.
// It is called when everything has ended.
func (l *Ledger) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for id, e := range l.jobs {
		if fault := e.fault(); fault != "" {
			errs = append(errs, fmt.Errorf("job %s: %s", id, fault))
		}
	}
	slices.SortFunc(errs, func(a, b error) int {
		if a.Error() < b.Error() {
			return -1
		}
		return 1
	})
	if len(errs) > 10 {
		errs = append(errs[:10], fmt.Errorf("and %d more", len(errs)-10))
	}
	return errors.Join(errs...)
}

func (e *entry) fault() string {
	switch {
	case e.accepted+e.refused == 0:
		return "ran or ended, but was never submitted"
	case e.accepted+e.refused > 1:
		return "was accepted or refused more than once"
	case e.refused == 1 && e.started > 0:
		return "was refused and ran"
	case e.refused == 1 && len(e.results) > 0:
		return "was refused and has a result"
	case e.refused == 1:
		return ""
	case len(e.results) != 1:
		return fmt.Sprintf("has %d results: %v", len(e.results), e.results)
	case e.running != 0:
		return "still runs"
	case e.started > e.attempts:
		return fmt.Sprintf("was started %d times for %d attempts", e.started, e.attempts)
	case e.started == 0 && e.results[0] == nil:
		return "succeeded without running"
	}
	return ""
}
