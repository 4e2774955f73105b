package etcd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A record is the value of a claim's key: who claims, since when, and the claim's
// position among those of its transaction.
type record struct {
	name     string // has no spaces
	since    time.Time
	position int
}

func (r record) String() string {
	return fmt.Sprintf("%s %d %d", r.name, r.since.UnixMilli(), r.position)
}

// parseRecord returns what it can make of a value: others may have written it.
func parseRecord(value string) record {
	fields := strings.Split(value, " ")
	if len(fields) != 3 {
		return record{}
	}
	ms, err := strconv.ParseInt(fields[1], 10, 64)
	position, err2 := strconv.Atoi(fields[2])
	if err != nil || err2 != nil {
		return record{}
	}
	return record{fields[0], time.UnixMilli(ms), position}
}

// fence returns the fencing token of a claim: later claims have higher ones. A
// transaction has fewer than 256 claims.
func fence(created int64, position int) uint64 { return uint64(created)<<8 | uint64(position) }
