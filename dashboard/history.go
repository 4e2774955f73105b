package dashboard

import "time"

// intervals is how many of them a history has.
const intervals = 150

// An interval is what happened in it.
type interval struct {
	busy, waiting time.Duration // jobs that ran and that waited, each for so long
	done, failed  int           // jobs that have ended; failed are those with an error
	retried, lost int
}

// A history is what happened lately, in intervals of the same length. Numbers that
// last, such as how many jobs run, are added up exactly, so that short jobs between
// two looks count as much as long ones. Time is counted from when it began.
type history struct {
	step time.Duration
	all  [intervals]interval // a ring: interval n is at n % intervals
	last int                 // the number of the newest
	at   time.Duration       // until when all is added up

	busy, waiting int // now
}

func newHistory(length time.Duration) history { return history{step: length / intervals} }

// now returns the newest interval after the time was added up.
func (h *history) now(at time.Duration) *interval {
	if begin := at - intervals*h.step; h.at < begin { // nothing has happened for longer than is kept
		h.last = int(begin / h.step)
		h.at = time.Duration(h.last) * h.step
	}
	for h.at < at {
		end := time.Duration(h.last+1) * h.step
		until := min(at, end)
		i := &h.all[h.last%intervals]
		i.busy += time.Duration(h.busy) * (until - h.at)
		i.waiting += time.Duration(h.waiting) * (until - h.at)
		if h.at = until; until == end {
			h.last++
			h.all[h.last%intervals] = interval{}
		}
	}
	return &h.all[h.last%intervals]
}

// series returns what is known, the oldest first, after the time was added up.
func (h *history) series() series {
	s := series{StepMS: h.step.Milliseconds()}
	for n := max(0, h.last-intervals+1); n <= h.last; n++ {
		i := h.all[n%intervals]
		length := min(h.step, h.at-time.Duration(n)*h.step)
		s.Busy = append(s.Busy, mean(i.busy, length, h.busy))
		s.Waiting = append(s.Waiting, mean(i.waiting, length, h.waiting))
		s.Done = append(s.Done, i.done)
		s.Failed = append(s.Failed, i.failed)
		s.Retried = append(s.Retried, i.retried)
		s.Lost = append(s.Lost, i.lost)
	}
	return s
}

// mean returns the mean of what was added up over a time, to a hundredth, or
// otherwise what it is now.
func mean(sum, over time.Duration, now int) float64 {
	if over <= 0 {
		return float64(now)
	}
	return float64(int64(100*float64(sum)/float64(over)+0.5)) / 100
}

// A series is a history as it is sent. A number for each interval, the oldest first.
type series struct {
	StepMS  int64     `json:"step_ms"`
	Busy    []float64 `json:"busy"`    // jobs that ran, on average
	Waiting []float64 `json:"waiting"` // that were queued, were put off or waited for room
	Done    []int     `json:"done"`    // that ended
	Failed  []int     `json:"failed"`  // of these, with an error
	Retried []int     `json:"retried"` // attempts that were followed by another
	Lost    []int     `json:"lost"`    // slots
}
