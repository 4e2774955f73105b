package cases

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisSemaphore is the usual semaphore on Redis: a sorted set for each key,
// with the holders' deadlines as scores. There is no line to wait in: whoever
// finds no slot asks again, here after 1 to 3 ms.
var redisSemaphore = foreign{
	binary: "redis-server",
	args: func(port, dir string) []string {
		return []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no"}
	},
	start: startRedis,
}

var redisAcquire = redis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
	redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
	return 1
end
return 0`)

func startRedis(addr string, r *run) (func(), func() error, func() (int64, error), error) {
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: addr, PoolSize: r.workers, MinIdleConns: r.workers})
	if err := redisAcquire.Load(ctx, db).Err(); err != nil {
		return nil, nil, nil, err
	}
	next, finish, err := startWorkers(r.workers, func(i int) (func() error, func(), error) {
		me := strconv.Itoa(i)
		return func() error { return redisJob(ctx, db, r, i, me) }, func() {}, nil
	})
	counted := func() (int64, error) {
		defer db.Close()
		info, err := db.Info(ctx, "commandstats").Result()
		if err != nil {
			return 0, err
		}
		return redisCalls(info, "zadd")
	}
	return next, finish, counted, err
}

func redisJob(ctx context.Context, db *redis.Client, r *run, i int, me string) error {
	return redisUnderSlot(ctx, db, r.key(i), r.limit, me, func() { r.do(i) })
}

// redisUnderSlot runs a job under a slot.
func redisUnderSlot(ctx context.Context, db *redis.Client, key string, limit int, me string, job func()) error {
	for {
		now := time.Now()
		got, err := redisAcquire.Run(ctx, db, []string{key}, now.UnixMilli(), limit, now.Add(33*time.Second).UnixMilli(), me).Int()
		if err != nil {
			return err
		}
		if got == 1 {
			break
		}
		time.Sleep(time.Millisecond + rand.N(2*time.Millisecond))
	}
	job()
	return db.ZRem(ctx, key, me).Err()
}

// redisCalls finds how often a command was called in Redis' own statistics.
func redisCalls(info, command string) (int64, error) {
	_, rest, ok := strings.Cut(info, "cmdstat_"+command+":calls=")
	if !ok {
		return 0, fmt.Errorf("redis tells no calls of %s", command)
	}
	digits, _, _ := strings.Cut(rest, ",")
	return strconv.ParseInt(digits, 10, 64)
}
