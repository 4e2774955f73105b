package redis

import (
	_ "embed"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// lineText is the script that keeps the line of a semaphore.
//
//go:embed line.lua
var lineText string

// lineHash names it to a server that has it.
var lineHash = goredis.NewScript(lineText).Hash()

// What the script says of a claim.
const (
	claimAbsent  int64 = iota // it is not there
	claimWaits                // it is in line
	claimHolds                // it has a slot
	claimRevoked              // it has one that was taken back
)

// A line is one semaphore as this source knows it.
type line struct {
	name string
	keys []string // of the script
	lane *lane    // its requests go there

	// Guarded by Source.mu.
	claims int       // of this source that are not done
	serve  time.Time // when the engine has to be asked to serve it; zero: never
}

func (s *Source) newLine(name string) *line {
	return &line{name: name, keys: lineKeys(s.cfg.prefix, name), lane: s.laneOf(name)}
}

// lineKeys names the keys of a semaphore. They have one hash tag, so that a cluster has
// them in one place.
func lineKeys(prefix, name string) []string {
	keys := []string{"line", "held", "expiry", "last", "gone", "pause"}
	for i, part := range keys {
		keys[i] = prefix + "{" + name + "}" + part
	}
	return keys
}

// claimID is how the engine knows a claim: who made it, the how manieth it is, its
// limit and the name of the one who made it.
func claimID(session string, number uint64, limit int, name string) string {
	b := make([]byte, 0, len(session)+len(name)+24)
	b = append(append(b, session...), ':')
	b = append(strconv.AppendUint(b, number, 36), ':')
	b = append(strconv.AppendInt(b, int64(limit), 10), ':')
	return string(append(b, name...))
}
