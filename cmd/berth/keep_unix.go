//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/cmd/berth/internal/process"
	"github.com/berth-go/berth/slot"
)

func newKeeper() *cobra.Command {
	return &cobra.Command{
		Use:    keeperName,
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			in, err1 := strconv.Atoi(args[0])
			out, err2 := strconv.Atoi(args[1])
			if err1 != nil || err2 != nil || in < 3 || out < 3 {
				return errors.New("this command is for berth run itself")
			}
			return keep(os.NewFile(uintptr(in), "orders"), os.NewFile(uintptr(out), "messages"))
		},
	}
}

// keep holds a slot for the request that comes through orders.
func keep(orders, messages *os.File) error {
	for _, f := range []*os.File{orders, messages} { // the command must not have them
		unix.CloseOnExec(int(f.Fd()))
	}
	defer standFast()()
	from := json.NewDecoder(orders)
	var req request
	if from.Decode(&req) != nil {
		return &status{code: statusFailed} // the front has gone already
	}
	t := newTeller(messages)
	defer t.close()
	outcome := keepFor(&req, listen(from), t.tell)
	t.put(message{Outcome: &outcome})
	return nil
}

// keepFor runs the job of a request.
func keepFor(req *request, orders <-chan keeper.Order, tell func(keeper.Event)) keeper.Outcome {
	ctx := context.Background()
	e, err := engine.Open(req.Engine, slot.Fixed(req.Job.Key, req.Limit))
	if err != nil {
		return keeper.Outcome{Kind: keeper.Misused, Reason: err.Error()}
	}
	defer func() { _ = e.Close(ctx) }() // what it cannot give back ends with its lease
	k := &keeper.Keeper{Job: req.Job, Source: e, Start: starter(req.Job), Say: tell, Orders: orders, Hung: hung(os.Getppid())}
	return k.Run(ctx)
}

// hung returns what finds that the terminal of the front has gone. A front that is
// stopped then can be continued by nobody else: not by the system either, for which
// this process is one that could.
func hung(front int) func() bool {
	return func() bool {
		f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err == nil {
			return f.Close() != nil
		}
		if os.Getppid() == front {
			_ = syscall.Kill(front, syscall.SIGCONT)
		}
		return true
	}
}

// starter returns what starts the command.
func starter(job keeper.Job) func(string, []string) (keeper.Tree, error) {
	return func(path string, env []string) (keeper.Tree, error) {
		tree, err := process.Start(process.Command{
			Path: path, Args: job.Command, Env: env, Group: job.Group, Bound: true,
		})
		if err != nil {
			return nil, err
		}
		letGo()
		return tree, nil
	}
}

// listen hands over the orders until there are no more.
func listen(from *json.Decoder) <-chan keeper.Order {
	orders := make(chan keeper.Order)
	go func() {
		defer close(orders)
		for {
			var o keeper.Order
			if from.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	return orders
}

// standFast has this process survive what is meant for the job: the front passes
// on what is to be passed on. The signals are caught and not ignored, because a
// command inherits what is ignored. It returns what undoes that.
func standFast() func() {
	caught := make(chan os.Signal, 1)
	all := append([]os.Signal{syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGALRM}, passedOn...)
	for _, s := range all {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	return func() { signal.Stop(caught) }
}
