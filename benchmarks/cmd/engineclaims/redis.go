package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/bsm/redislock"
	goredis "github.com/redis/go-redis/v9"
)

// What people build on Redis has no line to wait in: whoever finds no slot asks again,
// here after 1 to 3 ms.
func again() time.Duration { return time.Millisecond + rand.N(2*time.Millisecond) }

// lease is how long Redis keeps what they claim.
const lease = 33 * time.Second

// A poller asks for a slot until it has one.
type poller struct {
	db      *goredis.Client
	take    func(ctx context.Context, key, me string) (bool, error)
	give    func(ctx context.Context, key, me string) error
	counter string // the command that Redis counts once for a claim
}

func redisClient(o options) *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: o.addr, PoolSize: max(10, o.workers), MinIdleConns: o.workers})
}

func (p *poller) under(ctx context.Context, worker int, key string, job func()) error {
	me := strconv.Itoa(worker) + "-" + session
	for {
		got, err := p.take(ctx, key, me)
		if err != nil {
			return err
		}
		if got {
			break
		}
		time.Sleep(again())
	}
	job()
	return p.give(ctx, key, me)
}

// session tells this process's claims from another's.
var session = strconv.FormatUint(rand.Uint64(), 36)

func (p *poller) counted() (int64, error) { return redisCalls(p.db, p.counter) }
func (p *poller) close() error            { return p.db.Close() }

// redisCalls returns how often Redis has carried out a command.
func redisCalls(db *goredis.Client, command string) (int64, error) {
	ctx, cancel := brief()
	defer cancel()
	info, err := db.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(info, "cmdstat_"+command+":calls=")
	if !ok {
		return 0, nil // it was never called
	}
	digits, _, _ := strings.Cut(rest, ",")
	return strconv.ParseInt(digits, 10, 64)
}

var giveKey = goredis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

// openSetNX is the lock of the manual: SET with NX, and a script that deletes the key if
// it is still one's own.
func openSetNX(o options) (way, error) {
	if o.limit != 1 {
		return nil, errors.New("SET NX has one slot")
	}
	db := redisClient(o)
	return &poller{
		db: db, counter: "del", // one that finds a key; a SET may find it taken
		take: func(ctx context.Context, key, me string) (bool, error) { return db.SetNX(ctx, key, me, lease).Result() },
		give: func(ctx context.Context, key, me string) error {
			n, err := giveKey.Run(ctx, db, []string{key}, me).Int()
			if err == nil && n != 1 {
				err = fmt.Errorf("the lock of %q was gone", key)
			}
			return err
		},
	}, nil
}

var takeFromSet = goredis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
	redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
	return 1
end
return 0`)

// openSortedSet is the usual semaphore: a sorted set for each key, with the holders'
// deadlines as scores.
func openSortedSet(o options) (way, error) {
	db := redisClient(o)
	return &poller{
		db: db, counter: "zadd",
		take: func(ctx context.Context, key, me string) (bool, error) {
			now := time.Now()
			return takeFromSet.Run(ctx, db, []string{key}, now.UnixMilli(), o.limit, now.Add(lease).UnixMilli(), me).Bool()
		},
		give: func(ctx context.Context, key, me string) error { return db.ZRem(ctx, key, me).Err() },
	}, nil
}

// redisLocks are those of bsm/redislock.
type redisLocks struct {
	db    *goredis.Client
	locks *redislock.Client
}

func openRedisLock(o options) (way, error) {
	if o.limit != 1 {
		return nil, errors.New("a lock has one slot")
	}
	db := redisClient(o)
	return &redisLocks{db, redislock.New(db)}, nil
}

// asked asks again as the pollers do.
type asked struct{}

func (asked) NextBackoff() time.Duration { return again() }

func (l *redisLocks) under(ctx context.Context, _ int, key string, job func()) error {
	held, err := l.locks.Obtain(ctx, key, lease, &redislock.Options{RetryStrategy: asked{}})
	if err != nil {
		return err
	}
	job()
	return held.Release(ctx)
}

// counted counts what was given back: of what was asked for some was taken.
func (l *redisLocks) counted() (int64, error) { return redisCalls(l.db, "del") }
func (l *redisLocks) close() error            { return l.db.Close() }
