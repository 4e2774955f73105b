package cases

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/berth-go/berth/benchmarks/internal/proc"
)

// A client is a way to claim slots that an engine has. The driver, a program of its own,
// does it: see cmd/engineclaims.
type client struct {
	on  engine
	way string
	// again says that the engine may count a claim twice.
	again bool
}

var (
	berthOnDflockd = client{on: onDflockd, way: "dflockd"}
	berthOnEtcd    = client{on: onEtcd, way: "etcd"}
	berthOnRedis   = client{on: onRedis, way: "redis", again: true} // two in one microsecond
	etcdMutex      = client{on: onEtcd, way: "mutex"}
	redisLock      = client{on: onRedis, way: "redislock"}
	redisSetNX     = client{on: onRedis, way: "setnx"}
	redisSortedSet = client{on: onRedis, way: "sorted-set"}
)

// engineClaims measures claims of a client, and what they cost the server. The arguments
// are those of the driver that say what the server has seen before.
func (e *Env) engineClaims(c client, l load, before ...string) func(*testing.B) error {
	return func(b *testing.B) error {
		program, err := e.engineDriver()
		if err != nil {
			return err
		}
		server, addr, err := e.startEngine(c.on)
		if err != nil {
			return err
		}
		defer server.Stop()
		r := newRun(l)
		args := append([]string{"-way", c.way, "-addr", addr, "-limit", strconv.Itoa(l.limit)}, before...)
		next, finish, err := r.startDriver(program, args...)
		if err != nil {
			return err
		}
		used, err := server.CPU()
		if err != nil {
			return err
		}
		for b.Loop() {
			next()
		}
		if err := timed(b, finish); err != nil {
			return err
		}
		now, err := server.CPU()
		if err != nil {
			return err
		}
		b.ReportMetric(perJob(now-used, b.N), serverCPU)
		if err := c.check(r.apart.Counted, int64(b.N)); err != nil {
			return err
		}
		return r.check(int64(b.N))
	}
}

// check returns an error unless the engine has counted a claim for each job.
func (c client) check(counted, jobs int64) error {
	if counted == jobs || c.again && counted > jobs && counted <= 2*jobs {
		return nil
	}
	return fmt.Errorf("%s counted %d claims for %d jobs", c.on.name, counted, jobs)
}

// engineHandOvers measures two processes with a client each that hand a slot to each
// other.
func (e *Env) engineHandOvers(c client) func(*testing.B) error {
	return func(b *testing.B) error {
		program, err := e.engineDriver()
		if err != nil {
			return err
		}
		server, addr, err := e.startEngine(c.on)
		if err != nil {
			return err
		}
		defer server.Stop()
		_, err = onlyOnce(b, func() (struct{}, error) {
			return struct{}{}, e.reportHandOvers(b, addr, byDriver(program, "-way", c.way, "-limit", "1"), nil)
		})
		return err
	}
}

// byDriver has a driver run jobs under the baton's slot until a time.
func byDriver(program string, args ...string) func(addr string, until int64, file string) error {
	return func(addr string, until int64, file string) error {
		args := append(args[:len(args):len(args)], "-addr", addr, "-key", handOverKey, "-sleep", handOverJob.String(),
			"-until", strconv.FormatInt(until, 10), "-times", file)
		out, err := exec.Command(program, args...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
}

// byChild has this very program do so, in one of its roles.
func byChild(way string) func(addr string, until int64, file string) error {
	return func(addr string, until int64, file string) error {
		p, err := proc.StartChild(handOverRole, way, addr, strconv.FormatInt(until, 10), file)
		if err == nil {
			p.Stop() // it has done its work
		}
		return err
	}
}

// engineTime is how long one measurement of an engine takes. Those that write to the
// disk need longer for as many claims.
const engineTime = time.Second
