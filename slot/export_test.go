package slot

// Lines returns the number of keys that the source remembers.
func (l *Local) Lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}
