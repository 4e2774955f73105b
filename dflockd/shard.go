package dflockd

import (
	"fmt"
	"hash/crc32"
)

// StableHashShard is the sharding that all official clients use: the CRC-32
// (IEEE) of the key's bytes, modulo the number of servers.
func StableHashShard(key string, servers int) int {
	return int(crc32.ChecksumIEEE([]byte(key)) % uint32(servers))
}

// shard returns the index of the server that has key.
func (c *config) shard(key string) (int, error) {
	if len(c.servers) == 1 || c.cluster {
		return 0, nil
	}
	i := c.sharding(key, len(c.servers))
	if i < 0 || i >= len(c.servers) {
		return 0, &Error{Op: "claim", Key: key,
			Err: permanently(fmt.Errorf("the sharding function returned server %d of %d (see WithSharding)", i, len(c.servers)))}
	}
	return i, nil
}
