package dflockd

import (
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
)

// StableHashShard is the sharding that all official clients use: the CRC-32
// (IEEE) of the key's bytes, modulo the number of servers.
func StableHashShard(key string, servers int) int {
	sum := ^uint32(0)
	for i := range len(key) { // crc32.ChecksumIEEE wants bytes, which would be a copy
		sum = crc32.IEEETable[byte(sum)^key[i]] ^ sum>>8
	}
	return int(^sum % uint32(servers))
}

// shard returns the index of the server that has key.
func (c *config) shard(key string) (int, error) {
	if c.cluster {
		return 0, nil
	}
	i := c.sharding(key, len(c.servers))
	if i < 0 || i >= len(c.servers) {
		return 0, &Error{Engine: engine, Op: "claim", Key: key,
			Err: errs.Permanently(fmt.Errorf("the sharding function returned server %d of %d (see WithSharding)", i, len(c.servers)))}
	}
	return i, nil
}

// place returns where the server is in the list of those that share the keys, or
// nothing for the members of a cluster, which share none.
func (c *config) place(servers []string) wire.ServerList {
	if c.cluster {
		return wire.ServerList{}
	}
	return wire.ServerList{Index: int64(slices.Index(c.servers, servers[0])), Count: int64(len(c.servers))}
}

// An addressBook notes which server was last met at which address of a list, so
// that one that is in it twice, by two addresses, is noticed: its clients with
// other lists would look for its keys elsewhere.
type addressBook struct {
	mu        sync.Mutex
	addresses map[string]string // by the server's ID
}

// meet notes that the server at address gave this ID, "" if it has none. It is an
// error if another address did.
func (b *addressBook) meet(address, id string) error {
	if b == nil || id == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if other, ok := b.addresses[id]; ok && other != address {
		return errs.InWords(fmt.Sprintf("%s and %s are one and the same server: have it in the list once (WithServers)", other, address), ErrServerLists)
	}
	b.forgetLocked(address)
	b.addresses[id] = address
	return nil
}

// forget is for an address at which nobody can be reached any more: its server may
// come up at another.
func (b *addressBook) forget(address string) {
	if b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.forgetLocked(address)
	}
}

func (b *addressBook) forgetLocked(address string) {
	for id, a := range b.addresses {
		if a == address {
			delete(b.addresses, id)
		}
	}
}
