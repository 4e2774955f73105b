//go:build ignore

// The driver claims slots as a program would that uses the official Go client's
// Semaphore. It is compiled by Build together with that client's source, and is
// no part of this module, and so cannot use package driver, whose lines it reads
// and writes.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mtingers/dflockd/client"
)

var (
	addr    = flag.String("addr", "", "the server")
	workers = flag.Int("workers", 1, "how many claim at once")
	keys    = flag.Int("keys", 1, "how many keys they claim")
	limit   = flag.Int("limit", 1, "slots of each key")
	job     = flag.Duration("job", 0, "how long a job takes")
	ca      = flag.String("ca", "", "file of the certificate that TLS trusts")
	secret  = flag.String("secret", "", "what the server asks for")

	// With times the driver runs jobs that sleep under one key until a time, and
	// writes down when each began and ended. It rests between a job and the next
	// claim for about half of a job.
	times = flag.String("times", "", "file for the times of jobs, in nanoseconds")
	key   = flag.String("key", "", "the key of those")
	sleep = flag.Duration("sleep", 0, "how long each takes")
	until = flag.Int64("until", 0, "when to end, in nanoseconds since 1970")
)

// A gate counts the jobs of one key.
type gate struct{ inside, most, ran atomic.Int64 }

func (g *gate) do() {
	now := g.inside.Add(1)
	for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); most = g.most.Load() {
	}
	for start := time.Now(); *job > 0 && time.Since(start) < *job; {
	}
	g.inside.Add(-1)
	g.ran.Add(1)
}

func main() {
	flag.Parse()
	if *times != "" {
		noteTimes()
		return
	}
	gates := make([]gate, *keys)
	turns := make(chan bool)
	var running sync.WaitGroup
	for i := 0; i < *workers; i++ {
		s, g := semaphore(i%*keys), &gates[i%*keys]
		running.Add(1)
		go func() {
			defer running.Done()
			work(s, g, turns)
		}()
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		check(err)
		for ; n > 0; n-- {
			turns <- true
		}
		fmt.Println("taken")
	}
	close(turns)
	running.Wait()
	var ran, most int64
	for i := range gates {
		ran += gates[i].ran.Load()
		most = max(most, gates[i].most.Load())
	}
	fmt.Println("ran", ran, "most", most, "counted", ran)
}

func noteTimes() {
	s := &client.Semaphore{Key: *key, Limit: *limit, Servers: []string{*addr}}
	ctx := context.Background()
	var all []byte
	note := func() { all = binary.LittleEndian.AppendUint64(all, uint64(time.Now().UnixNano())) }
	for time.Now().UnixNano() < *until {
		ok, err := s.Acquire(ctx)
		check(err)
		if !ok {
			check(fmt.Errorf("no slot of %s in time", s.Key))
		}
		note()
		time.Sleep(*sleep)
		note()
		check(s.Release(ctx))
		time.Sleep(*sleep*3/10 + time.Duration(rand.Int63n(int64(*sleep*4/10))))
	}
	check(s.Close())
	check(os.WriteFile(*times, all, 0o600))
}

func semaphore(key int) *client.Semaphore {
	s := &client.Semaphore{Key: "job-" + strconv.Itoa(key), Limit: *limit, Servers: []string{*addr}, AuthToken: *secret}
	if *ca != "" {
		text, err := os.ReadFile(*ca)
		check(err)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		s.TLSConfig = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	}
	return s
}

func work(s *client.Semaphore, g *gate, turns <-chan bool) {
	ctx := context.Background()
	for range turns {
		ok, err := s.Acquire(ctx)
		check(err)
		if !ok {
			check(fmt.Errorf("no slot of %s in time", s.Key))
		}
		g.do()
		check(s.Release(ctx))
	}
	check(s.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
