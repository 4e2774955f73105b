package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/slot"
)

func newInspect(g *global) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "inspect KEY",
		Short: "Show who holds slots of a key and who waits for one",
		Long: `Show who holds slots of a key and who waits for one, in the order of the line.
What an engine does not know of somebody is left out: the original dflockd knows
only how many there are.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: g.completeKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd.Context(), timeout, func(ctx context.Context, e engine.Engine) error {
				state, err := slot.Inspect(ctx, e, args[0])
				if err != nil {
					return failed(err)
				}
				if g.json {
					err = json.NewEncoder(cmd.OutOrStdout()).Encode(asJSON(state))
				} else {
					err = writeState(cmd.OutOrStdout(), state, time.Now())
				}
				if err != nil {
					return &status{statusFailed, err}
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return cmd
}

// failed says by the status whether asking again can help.
func failed(err error) error {
	switch {
	case errors.Is(err, slot.ErrKey):
		return &status{statusMisused, err}
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, slot.ErrNotAllowed), errors.Is(err, slot.ErrNoHolder):
		return &status{statusFailed, err}
	default:
		return &status{statusNoEngine, err}
	}
}

func writeState(w io.Writer, s slot.State, now time.Time) error {
	fmt.Fprintf(w, "%s: %d held, %d waiting%s\n", s.Name, s.Held, s.Waiting, pausedFor(s, now))
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(s.Holders) > 0 {
		fmt.Fprintln(t, "\nHOLDER\tID\tLIMIT\tFOR\tLEASE ENDS IN")
	}
	for _, h := range s.Holders {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", known(h.Name), known(h.ID), number(h.Limit), span(h.Since, now), span(now, h.Until))
	}
	if len(s.Waiters) > 0 {
		fmt.Fprintln(t, "\nWAITER\tIN LINE\tLIMIT\tFOR\t")
	}
	for i, x := range s.Waiters {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t\n", known(x.Name), i+1, number(x.Limit), span(x.Since, now))
	}
	return t.Flush()
}

func pausedFor(s slot.State, now time.Time) string {
	if !s.PausedUntil.After(now) {
		return ""
	}
	return ", paused for " + span(now, s.PausedUntil)
}

func known(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// span returns how long it is from one time to the other, if both are known.
func span(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return max(0, to.Sub(from)).Round(100 * time.Millisecond).String()
}

// A stateRecord is a slot.State for programs: with null for what is not known.
type stateRecord struct {
	Key         string         `json:"key"`
	Held        int            `json:"held"`
	Waiting     int            `json:"waiting"`
	PausedUntil *time.Time     `json:"paused_until,omitempty"`
	Holders     []holderRecord `json:"holders"`
	Waiters     []holderRecord `json:"waiters"`
}

type holderRecord struct {
	Name  string     `json:"name,omitempty"`
	ID    string     `json:"id,omitempty"`
	Limit int        `json:"limit,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

func asJSON(s slot.State) stateRecord {
	r := stateRecord{Key: s.Name, Held: s.Held, Waiting: s.Waiting, PausedUntil: moment(s.PausedUntil), Holders: []holderRecord{}, Waiters: []holderRecord{}}
	for _, h := range s.Holders {
		r.Holders = append(r.Holders, holderRecord{h.Name, h.ID, h.Limit, moment(h.Since), moment(h.Until)})
	}
	for _, w := range s.Waiters {
		r.Waiters = append(r.Waiters, holderRecord{Name: w.Name, Limit: w.Limit, Since: moment(w.Since)})
	}
	return r
}

// moment returns nil for a time that is not known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
