package redis

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/berth-go/berth/internal/stacktest/readme"
)

// The README's program with Redis: the lines of its engine differ.
func TestTheReadmesProgramRunsOnRedis(t *testing.T) {
	path := readme.BuildOn(t, "../..", readme.Engine{
		Imports: []string{`"os"`, `goredis "github.com/redis/go-redis/v9"`, `"github.com/berth-go/berth/engines/redis"`},
		Client:  "\tclient := goredis.NewClient(&goredis.Options{Addr: os.Args[1]})\n\tdefer client.Close()\n",
		Source:  `redis.NewSource(client, slot.Keyed("report:", 2))`,
	})
	t.Run("in memory", func(t *testing.T) {
		db := miniredis.RunT(t)
		readme.Run(t, path, db.Addr())
	})
	t.Run("a server", func(t *testing.T) {
		needServer(t)
		port := freePort(t)
		startServer(t, "--port", port, "--bind", "127.0.0.1")
		readme.Run(t, path, "127.0.0.1:"+port)
	})
}
