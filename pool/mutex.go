package pool

import "sync"

// A mutex is one that is held for moments only, so that whoever finds it held
// looks again for about as long as going to sleep and being woken takes, before
// it does that. (A sync.Mutex looks less long, and not at all while other
// goroutines wait for a processor, as workers do.) To look for as long as the sleep
// would cost is never worse than twice the best that could have been done: see
// Karlin, Li, Manasse and Owicki, "Empirical studies of competitive spinning for a
// shared-memory multiprocessor", 1991.
type mutex struct{ sync.Mutex }

// looks is how often a mutex that is held is looked at, which takes half a
// microsecond or so.
const looks = 500

func (m *mutex) Lock() {
	for range looks {
		if m.TryLock() {
			return
		}
	}
	m.Mutex.Lock()
}
