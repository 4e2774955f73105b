package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/slot"
)

// topFlags are those of top.
type topFlags struct {
	interval time.Duration
	timeout  time.Duration
	count    int
}

func newTop(g *global) *cobra.Command {
	f := &topFlags{}
	cmd := &cobra.Command{
		Use:   "top [PREFIX]",
		Short: "Watch which keys are in use",
		Long: `Watch which keys are in use: those that begin with PREFIX, or all. (etcd and Redis do
not list their keys: there the key itself has to be named.) The keys that most
wait for come first. On a terminal, the arrows choose a key, whose holders and
waiters are shown below; q ends. Elsewhere it prints a line for each key, time and
again.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: g.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.interval < 100*time.Millisecond || f.count < 0 {
				return fmt.Errorf("--interval is %v and --count %d: the least is 100ms, and 0", f.interval, f.count)
			}
			g.engine.Patience = f.timeout
			e, err := g.open()
			if err != nil {
				return err
			}
			defer func() { _ = e.Close(context.Background()) }() // nothing is held
			w := &watcher{engine: e, prefix: append(args, "")[0], timeout: f.timeout}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if isTerminal(cmd.OutOrStdout()) && !g.json {
				return liveScreen(ctx, w, g.engine.URL, f.interval)
			}
			return printed(ctx, w, cmd.OutOrStdout(), f, g.json)
		},
	}
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "time between two looks, 100ms or more")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 3*time.Second, "how long the answer may take")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after so many looks, where it is no live screen (default: never)")
	return cmd
}

// A watcher asks the engine.
type watcher struct {
	engine  engine.Engine
	prefix  string
	timeout time.Duration
}

// A look is what the engine answered.
type look struct {
	At    time.Time
	Keys  []engine.Key
	Err   error
	State *slot.State // of the chosen key; nil if that is not known
}

// look asks for all keys, and for the chosen one who holds it.
func (w *watcher) look(ctx context.Context, chosen string) look {
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout, fmt.Errorf("no answer within %v", w.timeout))
	defer cancel()
	l := look{At: time.Now()}
	l.Keys, l.Err = w.engine.List(ctx)
	if errors.Is(l.Err, errors.ErrUnsupported) && w.prefix != "" {
		return w.one(ctx, l)
	}
	l.Keys = busiest(l.Keys, w.prefix)
	if chosen == "" && len(l.Keys) > 0 {
		chosen = l.Keys[0].Key
	}
	if chosen == "" {
		return l
	}
	if state, err := slot.Inspect(ctx, w.engine, chosen); err == nil {
		l.State = &state
	}
	return l
}

// one looks at one key, of an engine that does not list them.
func (w *watcher) one(ctx context.Context, l look) look {
	state, err := slot.Inspect(ctx, w.engine, w.prefix)
	if l.Err = err; err != nil {
		return l
	}
	k := engine.Key{Key: state.Name, Held: state.Held, Waiting: state.Waiting}
	if len(state.Holders) > 0 {
		k.Limit = state.Holders[0].Limit
	}
	l.Keys, l.State = []engine.Key{k}, &state
	return l
}

// printed prints what each look shows, until ctx ends or the count is over.
func printed(ctx context.Context, w *watcher, out io.Writer, f *topFlags, asJSON bool) error {
	ticks := time.NewTicker(f.interval)
	defer ticks.Stop()
	for n := 1; ; n++ {
		l := w.look(ctx, "")
		if ctx.Err() != nil {
			return nil
		}
		if err := l.print(out, asJSON); err != nil {
			return ending(err)
		}
		if n == f.count {
			if l.Err != nil {
				return failed(l.Err)
			}
			return nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ending is the error of a program whose output nobody reads any more: none.
func ending(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return &status{statusFailed, err}
}

// print writes a look: as a line of JSON, or a line for each key.
func (l look) print(w io.Writer, asJSON bool) error {
	at := l.At.UTC().Format(time.RFC3339)
	if asJSON {
		record := map[string]any{"at": at, "keys": append([]engine.Key{}, l.Keys...)}
		if l.Err != nil {
			record["error"] = engine.Words(l.Err.Error())
		}
		return json.NewEncoder(w).Encode(record)
	}
	for _, k := range l.Keys {
		if _, err := fmt.Fprintf(w, "%s %s held=%d limit=%d waiting=%d server=%s\n", at, k.Key, k.Held, k.Limit, k.Waiting, k.Server); err != nil {
			return err
		}
	}
	if l.Err != nil {
		_, err := fmt.Fprintf(w, "%s error: %s\n", at, engine.Words(l.Err.Error()))
		return err
	}
	return nil
}

// liveScreen shows the looks until the user has seen enough.
func liveScreen(ctx context.Context, w *watcher, url string, interval time.Duration) error {
	m := &screenModel{url: url, width: 80, height: 24, now: time.Now}
	m.ask = func(chosen string) tea.Cmd { return func() tea.Msg { return w.look(ctx, chosen) } }
	m.later = tea.Tick(interval, func(time.Time) tea.Msg { return nextLook{} })
	_, err := tea.NewProgram(m, tea.WithContext(ctx)).Run()
	if err != nil && !errors.Is(err, tea.ErrProgramKilled) && !errors.Is(err, tea.ErrInterrupted) {
		return &status{statusFailed, err}
	}
	return nil
}
