package redis

import goredis "github.com/redis/go-redis/v9"

// clusterLanes is how many lanes a source has on a cluster. A pipeline is answered when
// all of its servers have answered, so one that hangs would hold up what others could
// do. Lanes are ranges of the cluster's hash slots, since a node has few ranges too:
// most lanes are one node's, and it need not be known which.
const clusterLanes = 16

// hashSlots is how many parts the keys of a cluster are cut into.
const hashSlots = 16384

func newLanes(client goredis.UniversalClient) []*lane {
	n := 1
	if _, ok := client.(*goredis.ClusterClient); ok {
		n = clusterLanes
	}
	lanes := make([]*lane, n)
	for i := range lanes {
		lanes[i] = &lane{}
	}
	return lanes
}

// laneOf returns the lane of a semaphore's requests.
func (s *Source) laneOf(name string) *lane {
	return s.lanes[int(hashSlot(name))*len(s.lanes)/hashSlots]
}

// hashSlot returns where a cluster has keys with this hash tag: CRC-16 of the XMODEM
// protocol, as its specification says.
func hashSlot(tag string) uint16 {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % hashSlots
}
