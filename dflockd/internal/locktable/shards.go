package locktable

import (
	"hash/maphash"

	"github.com/berth-go/berth/dflockd/internal/wire"
)

// numShards is into how many maps each of the table's two is cut.
const numShards = 256

// minShrink is how many entries a map has had at least that is made anew.
const minShrink = 32

// shard is a map that gives memory back when most of its entries have gone,
// which a map of Go does not. It is one of many, so that making it anew is not
// much work; and they shrink at different sizes, so that those that are emptied
// evenly are not all made anew at once.
type shard[K comparable, V any] struct {
	m    map[K]V
	most int // entries since m was made
}

func (s *shard[K, V]) put(k K, v V) {
	if s.m == nil {
		s.m = map[K]V{}
	}
	s.m[k] = v
	s.most = max(s.most, len(s.m))
}

// remove is of the shard with number i.
func (s *shard[K, V]) remove(k K, i uint64) {
	delete(s.m, k)
	if s.most < minShrink || len(s.m) >= (s.most+s.most*int(i)/numShards)/8 {
		return
	}
	small := make(map[K]V, len(s.m))
	for k, v := range s.m {
		small[k] = v
	}
	s.m, s.most = small, len(small)
}

// lockMap has the locks by key.
type lockMap struct {
	seed   maphash.Seed
	shards [numShards]shard[string, *lock]
	len    int
}

func (m *lockMap) get(key []byte) *lock {
	return m.shards[maphash.Bytes(m.seed, key)%numShards].m[string(key)]
}

func (m *lockMap) add(l *lock) {
	m.shards[maphash.String(m.seed, l.key)%numShards].put(l.key, l)
	m.len++
}

func (m *lockMap) remove(l *lock) {
	i := maphash.String(m.seed, l.key) % numShards
	m.shards[i].remove(l.key, i)
	m.len--
}

// each calls f with every lock, in no order, until f returns false.
func (m *lockMap) each(f func(*lock) bool) {
	for i := range m.shards {
		for _, l := range m.shards[i].m {
			if !f(l) {
				return
			}
		}
	}
}

// tokenMap has the claims that hold a slot by token.
type tokenMap struct {
	shards [numShards]shard[wire.Token, *claim]
	len    int
}

func (m *tokenMap) get(t wire.Token) *claim { return m.shards[t.Fence()%numShards].m[t] }

// fenced returns the claim of key whose token has this fence.
func (m *tokenMap) fenced(key []byte, fence uint64) *claim {
	for token, cl := range m.shards[fence%numShards].m {
		if token.Fence() == fence && cl.lock.key == string(key) {
			return cl
		}
	}
	return nil
}

func (m *tokenMap) add(cl *claim) {
	m.shards[cl.token.Fence()%numShards].put(cl.token, cl)
	m.len++
}

func (m *tokenMap) remove(cl *claim) {
	i := cl.token.Fence() % numShards
	m.shards[i].remove(cl.token, i)
	m.len--
}
