package book

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/dflockd"
	"github.com/berth-go/berth/dflockd/server"
	"github.com/berth-go/berth/pool"
	"github.com/berth-go/berth/slot"
	"github.com/berth-go/berth/slot/slottest"
)

// printer is the code under test: it prints one page at a time, over all machines.
type printer struct {
	pool  *pool.Pool
	print func(ctx context.Context, page string) error
}

func newPrinter(src slot.Source, print func(context.Context, string) error) (*printer, error) {
	p, err := pool.New(4, pool.WithSlots(src))
	return &printer{p, print}, err
}

func (p *printer) Print(ctx context.Context, page string) error {
	return p.pool.SubmitContext(ctx, func(ctx context.Context) error {
		return p.print(ctx, page)
	}, pool.Key("upstairs")).Wait(ctx)
}

func TestPagesAreInTheirOrder(t *testing.T) {
	var printed []string
	p, err := newPrinter(slot.NewLocalKeyed(1), func(_ context.Context, page string) error {
		printed = append(printed, page) // one at a time, so no lock
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, p.Print(t.Context(), "one"))
	require.NoError(t, p.Print(t.Context(), "two"))
	require.NoError(t, p.pool.Shutdown(t.Context()))
	require.Equal(t, []string{"one", "two"}, printed)
}

func TestAPageIsNotPrintedTwiceWhenTheSlotIsLost(t *testing.T) {
	src := slottest.NewBreakable(slot.NewLocalKeyed(1))
	printed := 0
	p, err := newPrinter(src, func(ctx context.Context, page string) error {
		printed++
		src.Expire("upstairs") // the slot is lost while the page is printed
		<-ctx.Done()
		return context.Cause(ctx)
	})
	require.NoError(t, err)
	require.ErrorIs(t, p.Print(t.Context(), "one"), slot.ErrLost)
	require.Equal(t, 1, printed)
	require.NoError(t, p.pool.Shutdown(t.Context()))
}

func TestPagesWaitWhileTheLockServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := slottest.NewBreakable(slot.NewLocalKeyed(1))
		src.Break()
		time.AfterFunc(time.Hour, src.Heal)

		p, err := newPrinter(src, func(context.Context, string) error { return nil })
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, p.Print(t.Context(), "one"))
		require.GreaterOrEqual(t, time.Since(begin), time.Hour) // which took no time

		require.NoError(t, p.pool.Shutdown(t.Context()))
	})
}

func TestTwoMachinesPrintInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := server.Start(t.Context(), server.WithInMemory())
		require.NoError(t, err)
		defer srv.Close()
		machine := func() (*printer, func()) {
			src, err := dflockd.NewSource(slot.Keyed("printer:", 1), dflockd.WithServer(srv))
			require.NoError(t, err)
			p, err := newPrinter(src, func(ctx context.Context, page string) error {
				time.Sleep(time.Minute)
				return nil
			})
			require.NoError(t, err)
			return p, func() {
				require.NoError(t, errors.Join(p.pool.Shutdown(context.Background()), src.Close(context.Background())))
			}
		}
		a, closeA := machine()
		b, closeB := machine()
		defer closeB()
		defer closeA()

		begin := time.Now()
		one := make(chan error)
		go func() { one <- a.Print(t.Context(), "one") }()
		require.NoError(t, b.Print(t.Context(), "two"))
		require.NoError(t, <-one)
		require.GreaterOrEqual(t, time.Since(begin), 2*time.Minute) // one after the other
	})
}
