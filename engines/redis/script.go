package redis

import (
	_ "embed"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/internal/gcra"
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
	turn   time.Time // when the clock lets a claim of this source go that is the first; zero: not known
}

func (s *Source) newLine(name string) *line {
	return &line{name: name, keys: lineKeys(s.cfg.prefix, name), lane: s.laneOf(name)}
}

// lineKeys names the keys of a semaphore. They have one hash tag, so that a cluster has
// them in one place.
func lineKeys(prefix, name string) []string {
	keys := []string{"line", "last", "gone", "pause", "used"}
	for i, part := range keys {
		keys[i] = prefix + "{" + name + "}" + part
	}
	return keys
}

// highestLimit is the highest limit that the script tells from a time. A higher one is
// as good as this: no line has as many claims.
const highestLimit = 1_000_000_000

// claimID is how the engine knows a claim: by the source that made it, its number there,
// its limit, its pace if it has one, and what the source calls itself.
func claimID(session string, number uint64, limit int, pace gcra.Pace, name string) string {
	b := make([]byte, 0, len(session)+len(name)+48)
	b = append(append(b, session...), ':')
	b = append(strconv.AppendUint(b, number, 36), ':')
	b = strconv.AppendInt(b, int64(min(limit, highestLimit)), 10)
	if !pace.IsNone() {
		b = strconv.AppendInt(append(b, '/'), int64(pace.Interval), 10)
		b = strconv.AppendInt(append(b, '/'), pace.Burst, 10)
	}
	b = append(b, ':')
	return string(append(b, name...))
}
