package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/berth-go/berth/engines/redis"
	"github.com/berth-go/berth/slot"
)

func openRedis(a address) (*Engine, error) {
	goredis.SetLogger(quiet{})          // what is wrong is an error of the source
	database, _ := strconv.Atoi(a.path) // parse has looked at it
	client := goredis.NewClient(&goredis.Options{Addr: a.hosts[0], DB: database})
	return &Engine{Kind: Redis, close: client.Close, source: func(l slot.Limits, lease time.Duration) (slot.Source, error) {
		options := []redis.Option{redis.WithTimeout(patience)}
		if lease > 0 {
			options = append(options, redis.WithLease(lease))
		}
		return redis.NewSource(client, l, options...)
	}}, nil
}

// keepRedis runs a redis-server in a folder, which it removes then, until its own input
// ends, at which a redis-server does not look.
const keepRedis = `exec 3<&0
dir=$1; shift
redis-server "$@" --dir "$dir" </dev/null >&2 &
server=$!
{ cat <&3; kill "$server"; } >/dev/null 2>&1 &
wait "$server"
rm -rf -- "$dir"`

const (
	redisHint  = "with -server redis://host:port, one that runs already is used"
	redisTries = 5 // to find a free port
)

// startRedis starts the redis-server of this machine, on a loopback port.
func startRedis(io.Writer) (*Started, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, errors.New("start a Redis: there is no redis-server on the path: install one (apt-get install redis-server, brew install redis), " +
			"or name one that runs by -server redis://host:port")
	}
	var s *Started
	var err error
	for range redisTries {
		if s, err = tryRedis(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// tryRedis starts a redis-server on a port that is free just now.
func tryRedis() (*Started, error) {
	address, port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "berth-redis-")
	if err != nil {
		return nil, fmt.Errorf("start a Redis: %w", err)
	}
	p, err := startProgram("a Redis", redisHint, "sh", "-c", keepRedis, "sh", dir,
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := p.answers(address); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return &Started{URL: "redis://" + address, Kind: Redis, Where: "beside this process", close: p.end}, nil
}

// answers waits until the Redis at an address answers.
func (p *program) answers(address string) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(endTime)
	for !isRedis(address) {
		select {
		case <-ticker.C:
		case <-p.ended:
			return p.failed(p.err)
		case <-late:
			return p.failed(fmt.Errorf("it does not answer within %v", endTime))
		}
	}
	return nil
}

// isRedis reports whether a Redis answers at an address.
func isRedis(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	const question, answer = "PING\r\n", "+PONG\r\n"
	got := make([]byte, len(answer))
	_ = c.SetDeadline(time.Now().Add(time.Second)) // an error shows itself below
	if _, err := c.Write([]byte(question)); err != nil {
		return false
	}
	_, err = io.ReadFull(c, got)
	return err == nil && string(got) == answer
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// freePort returns a loopback address where nobody listens. Its port is none of those
// that Linux gives to whoever asks for any, who could have it by then.
func freePort() (address, port string, err error) {
	const first, ports, tries = 10_000, 20_000, 100
	for range tries {
		port = strconv.Itoa(first + rand.IntN(ports))
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			return l.Addr().String(), port, l.Close()
		}
	}
	return "", "", fmt.Errorf("start a Redis: no free port: %w", err)
}
