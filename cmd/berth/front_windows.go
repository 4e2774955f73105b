package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/cmd/berth/internal/keeper"
	"github.com/berth-go/berth/cmd/berth/internal/process"
	"github.com/berth-go/berth/slot"
)

// newKeeper is a command that is not needed: the job object outlives this process.
func newKeeper() *cobra.Command { return &cobra.Command{Use: keeperName, Hidden: true} }

// runFront runs the job and returns how it ended. Ctrl-C is the command's: the
// console tells everybody of it. Only a wait for the slot is given up for it.
func runFront(req *request, s *screen) keeper.Outcome {
	ctx := context.Background()
	e, err := engine.Open(req.Engine, slot.Fixed(req.Job.Key, req.Limit))
	if err != nil {
		return keeper.Outcome{Kind: keeper.Misused, Reason: err.Error()}
	}
	defer func() { _ = e.Close(ctx) }() // what it cannot give back ends with its lease
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	orders, done := make(chan keeper.Order), make(chan struct{})
	go func() {
		for {
			select {
			case <-interrupts:
				select {
				case orders <- keeper.Order{Signal: syscall.SIGINT, Shared: true}:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	defer close(done)
	defer signal.Stop(interrupts)
	k := &keeper.Keeper{Job: req.Job, Source: e, Start: start(req.Job), Say: s.show, Orders: orders, Hung: func() bool { return false }}
	return k.Run(ctx)
}

// start returns what starts the command.
func start(job keeper.Job) func(string, []string) (keeper.Tree, error) {
	return func(path string, env []string) (keeper.Tree, error) {
		return process.Start(process.Command{Path: path, Args: job.Command, Env: env})
	}
}
