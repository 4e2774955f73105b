package sched_test

import "slices"

// A model is what the lanes are in as few words as possible: the queued jobs in
// the order of their submits, and the lanes in the order of their turns.
type model struct {
	queued []*job
	circle []string // lanes that have jobs, the one whose turn it is first
	last   string   // that had its turn last
	turned bool     // there is a last
}

// add queues a job where its place is: behind all others, but for what comes
// back of a batch.
func (m *model) add(j *job) {
	if !slices.Contains(m.circle, j.key) {
		// A new lane waits for one job of each other, but not for the lane that
		// has just had its turn.
		if n := len(m.circle); n > 0 && m.turned && m.circle[n-1] == m.last {
			m.circle = slices.Insert(m.circle, n-1, j.key)
		} else {
			m.circle = append(m.circle, j.key)
		}
	}
	i, _ := slices.BinarySearchFunc(m.queued, j.place, func(o *job, place int) int { return o.place - place })
	m.queued = slices.Insert(m.queued, i, j)
}

func (m *model) remove(j *job) {
	m.queued = slices.DeleteFunc(m.queued, func(o *job) bool { return o == j })
	if !slices.ContainsFunc(m.queued, func(o *job) bool { return o.key == j.key }) {
		m.circle = slices.DeleteFunc(m.circle, func(key string) bool { return key == j.key })
		if m.last == j.key {
			m.turned = false
		}
	}
}

// next returns the job whose turn it is.
func (m *model) next() *job {
	key := m.circle[0]
	var best *job
	for _, j := range m.queued {
		if j.key == key && (best == nil || j.priority > best.priority) {
			best = j
		}
	}
	return best
}

// oldest returns the first of the jobs of a lane and a priority.
func (m *model) oldest(of *job) *job {
	for _, j := range m.queued {
		if j.key == of.key && j.priority == of.priority {
			return j
		}
	}
	return nil
}

// took takes note that a lane has had its turn. It is called after its job is
// out.
func (m *model) took(key string) {
	i := slices.Index(m.circle, key)
	if m.last, m.turned = key, i >= 0; i >= 0 {
		m.circle = append(slices.Delete(m.circle, i, i+1), key)
	}
}
