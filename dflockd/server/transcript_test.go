package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/counts"
	"github.com/berth-go/berth/internal/stacktest/lockserver"
)

// A transcript is a text file in testdata/transcripts. Each line is one of
//
//	# a comment
//	server --flag value …      flags of the server, as of cmd/dflockd; first
//	only ours: reason          not played to the original server
//	@12.5                      it is now 12.5 s since the start
//	A> l | key | 0 10          connection A, opened when first named, sends a
//	                           request: three lines, " | " between them
//	A>> "go string"            … sends these bytes
//	A< ok $t 10                … gets this answer, by now; $t stands for the
//	                           token, here and in what is sent later
//	A<~ regexp                 … gets an answer that matches
//	A<! answer  # reason       what the original server answers instead of the
//	                           answer in the line before, or "-": nothing
//	A closes                   … is closed by the client
//	A< EOF                     … has been closed by the server
//
// Every answer must have come by the time the transcript says and not before:
// when time moves on, no answer may be unread.
type transcript struct {
	name     string
	flags    []string
	onlyOurs string
	steps    []act
}

// act is a line of a transcript that does something.
type act struct {
	number   int // of its line
	at       time.Duration
	conn     string
	verb     string
	text     string
	original string // what the original answers instead; "": the same
}

var lineForm = regexp.MustCompile(`^([A-Z][A-Za-z0-9]*)(>>|>|<~|<!|<| closes$)\s?(.*)$`)

func readTranscript(t testing.TB, path string) *transcript {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	tr := &transcript{name: strings.TrimSuffix(filepath.Base(path), ".txt")}
	for i, line := range strings.Split(string(text), "\n") {
		at := func() string { return fmt.Sprintf("%s:%d: %q", path, i+1, line) }
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "server "):
			tr.flags = strings.Fields(line)[1:]
		case strings.HasPrefix(line, "only ours: "):
			tr.onlyOurs = strings.TrimPrefix(line, "only ours: ")
		case strings.HasPrefix(line, "@"):
			s, err := strconv.ParseFloat(line[1:], 64)
			require.NoError(t, err, at())
			tr.steps = append(tr.steps, act{number: i + 1, verb: "@", at: time.Duration(s * float64(time.Second))})
		default:
			m := lineForm.FindStringSubmatch(line)
			require.NotNil(t, m, at())
			if m[2] == "<!" {
				text, reason, ok := strings.Cut(m[3], "  # ")
				require.True(t, ok && reason != "", "%s: a difference needs a reason", at())
				tr.steps[len(tr.steps)-1].original = text
				continue
			}
			tr.steps = append(tr.steps, act{number: i + 1, conn: m[1], verb: strings.TrimSpace(m[2]), text: m[3]})
		}
	}
	return tr
}

// player plays a transcript to a server.
type player struct {
	t        *testing.T
	tr       *transcript
	dial     func() (net.Conn, error)
	settle   func()                         // waits until nothing happens any more
	until    func(at time.Duration)         // waits until then
	write    func(w io.Writer, text string) // in what pieces
	original bool                           // expect what the original answers
	conns    map[string]*recorded
	tokens   map[string]string
	readers  sync.WaitGroup
}

// recorded is a connection whose answers are collected.
type recorded struct {
	net.Conn
	mu    sync.Mutex // guards what follows
	lines []string
	eof   bool
}

func (r *recorded) collect() {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		r.mu.Lock()
		if err != nil {
			r.eof = true
			r.mu.Unlock()
			return
		}
		r.lines = append(r.lines, strings.TrimSuffix(line, "\n"))
		r.mu.Unlock()
	}
}

// next takes the oldest answer; EOF counts as one.
func (r *recorded) next() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.lines) > 0:
		line := r.lines[0]
		r.lines = r.lines[1:]
		return line, true
	case r.eof:
		return "EOF", true
	}
	return "", false
}

func (p *player) play() {
	p.conns, p.tokens = map[string]*recorded{}, map[string]string{}
	defer p.readers.Wait()
	defer func() {
		for _, c := range p.conns {
			_ = c.Close()
		}
	}()
	for _, s := range p.tr.steps {
		p.step(s)
	}
	p.settle()
	if !p.original {
		p.nothingUnread("the end")
	}
}

func (p *player) step(s act) {
	where := fmt.Sprintf("%s.txt:%d: %s%s %s", p.tr.name, s.number, s.conn, s.verb, s.text)
	switch s.verb {
	case "@":
		p.settle()
		if !p.original {
			p.nothingUnread(where)
		}
		p.until(s.at)
	case ">":
		lines := strings.Split(s.text, " | ")
		require.Len(p.t, lines, 3, where)
		p.write(p.conn(s.conn), p.expand(strings.Join(lines, "\n"))+"\n")
	case ">>":
		text, err := strconv.Unquote(s.text)
		require.NoError(p.t, err, where)
		p.write(p.conn(s.conn), text)
	case "closes":
		p.settle()
		require.NoError(p.t, p.conns[s.conn].Close())
		delete(p.conns, s.conn)
		p.settle()
	case "<", "<~":
		p.settle()
		want, verb := s.text, s.verb
		if p.original && s.original != "" {
			want = s.original
		}
		if want == "-" {
			return
		}
		got, ok := p.conn(s.conn).next()
		for deadline := time.Now().Add(3 * time.Second); p.original && !ok && time.Now().Before(deadline); {
			p.settle()
			got, ok = p.conn(s.conn).next()
		}
		require.True(p.t, ok, "%s: no answer", where)
		if verb == "<~" {
			require.Regexp(p.t, "^"+want+"$", got, where)
			return
		}
		require.Equal(p.t, p.bind(want, got), got, where)
	}
}

// conn returns the connection called name, opened when it is first named.
func (p *player) conn(name string) *recorded {
	if c := p.conns[name]; c != nil {
		return c
	}
	nc, err := p.dial()
	require.NoError(p.t, err)
	c := &recorded{Conn: nc}
	p.conns[name] = c
	p.readers.Go(c.collect)
	return c
}

func (p *player) nothingUnread(where string) {
	for name, c := range p.conns {
		c.mu.Lock()
		lines := c.lines
		c.mu.Unlock()
		require.Empty(p.t, lines, "%s: %s has answers that nobody expects by now", where, name)
	}
}

var variable = regexp.MustCompile(`\$[a-z0-9]+`)

func (p *player) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		require.Contains(p.t, p.tokens, v)
		return p.tokens[v]
	})
}

var tokenForm = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// bind gives the token in got to the variable in want, if it has none yet.
func (p *player) bind(want, got string) string {
	return variable.ReplaceAllStringFunc(want, func(v string) string {
		if _, ok := p.tokens[v]; !ok {
			p.tokens[v] = tokenForm.FindString(got)
			require.NotEmpty(p.t, p.tokens[v], "no token in %q for %s", got, v)
		}
		return p.tokens[v]
	})
}

func transcripts(t *testing.T) (all []*transcript) {
	paths, err := filepath.Glob("testdata/transcripts/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, p := range paths {
		all = append(all, readTranscript(t, p))
	}
	return all
}

// optionsOf turns the flags that transcripts use into options.
func optionsOf(t *testing.T, flags []string) (opts []Option) {
	for i := 0; i < len(flags); i++ {
		if flags[i] == "--no-auto-release-on-disconnect" || flags[i] == "--auto-release-on-disconnect=false" {
			opts = append(opts, WithAutoRelease(false))
			continue
		}
		name, value := flags[i], flags[i+1]
		i++
		if name == "--auth-token" {
			opts = append(opts, WithSecret(value))
			continue
		}
		if name == "--admin-token" {
			opts = append(opts, WithAdminSecrets(value))
			continue
		}
		n, err := strconv.Atoi(value)
		require.NoError(t, err)
		d := time.Duration(n) * time.Second
		o := map[string]Option{
			"--default-lease-ttl": WithDefaultLease(d), "--read-timeout": WithReadTimeout(d), "--max-lease": WithMaxLease(d),
			"--startup-grace": WithStartupGrace(d), "--max-locks": WithMaxLocks(n), "--max-waiters": WithMaxWaiters(n), "--max-connections": WithMaxConnections(n),
		}[name]
		require.NotNil(t, o, name)
		opts = append(opts, o)
	}
	return opts
}

func TestTranscripts(t *testing.T) {
	pieces := map[string]func(w io.Writer, text string){
		"whole": func(w io.Writer, text string) { _, _ = io.WriteString(w, text) },
		"byte by byte": func(w io.Writer, text string) {
			for i := range len(text) {
				_, _ = io.WriteString(w, text[i:i+1])
				synctest.Wait() // so that each byte is read for itself
			}
		},
	}
	did := counts.Of{}
	for _, tr := range transcripts(t) {
		did["transcripts"]++
		did["lines"] += len(tr.steps)
		for how, write := range pieces {
			t.Run(tr.name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					s := start(t, optionsOf(t, tr.flags)...)
					p := &player{t: t, tr: tr, write: write, settle: synctest.Wait}
					p.dial = func() (net.Conn, error) { return s.Dial(context.Background()) }
					p.until = func(at time.Duration) {
						time.Sleep(at - time.Since(begin))
						synctest.Wait()
					}
					p.play()
				})
			})
		}
	}
	counts.Report(t, did)
}

// TestTranscriptsCoverTheProtocol counts what the transcripts use.
func TestTranscriptsCoverTheProtocol(t *testing.T) {
	var all strings.Builder
	for _, tr := range transcripts(t) {
		for _, s := range tr.steps {
			fmt.Fprintf(&all, "%s %s\n", s.verb, s.text)
		}
	}
	for _, want := range []string{
		"> auth |", "> l |", "> r |", "> n |", "> e |", "> w |", "> sl |", "> sr |", "> sn |", "> se |", "> sw |",
		"> stats |", "> ping |", "> hello |", "> stable-ref |", "> barrier |", "> #1 x |",
		"< ok\n", "< ok $", "< acquired $", "< queued\n", "< timeout\n", "< error\n", "< error_auth\n", "< error_max_locks\n",
		"< error_max_waiters\n", "< error_limit_mismatch\n", "< error_already_enqueued\n", "< error_not_enqueued\n", "< error_lease_expired\n", "< EOF\n",
	} {
		require.Contains(t, all.String(), want)
	}
}

// TestTranscriptsAgreeWithTheOriginal plays them to the original server, in
// real time, where its program is named.
func TestTranscriptsAgreeWithTheOriginal(t *testing.T) {
	program := lockserver.Original(t)
	for _, tr := range transcripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			if tr.onlyOurs != "" {
				t.Skip(tr.onlyOurs)
			}
			t.Parallel()
			address, _ := startOriginal(t, program, tr.flags)
			p := &player{t: t, tr: tr, original: true}
			p.write = func(w io.Writer, text string) { _, _ = io.WriteString(w, text) }
			p.settle = func() { time.Sleep(100 * time.Millisecond) } // another program: nothing tells when it is done
			last := time.Duration(0)
			p.until = func(at time.Duration) {
				time.Sleep(at - last) // settling took its time, too: what is due then is due
				last = at
			}
			p.dial = func() (net.Conn, error) { return net.Dial("tcp", address) }
			p.play()
		})
	}
}

// startOriginal runs the original server, and waits until it no longer counts
// the connection that found it.
func startOriginal(t testing.TB, program string, flags []string) (address string, pid int) {
	address, cmd := lockserver.Start(t, program, flags...)
	time.Sleep(200 * time.Millisecond)
	return address, cmd.Process.Pid
}
