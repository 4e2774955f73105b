package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/berth-go/berth/dflockd/server"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it could not start, or cut connections off at its end
	exitUsage  = 2 // a setting cannot be read
)

func main() {
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run is main with what it depends on. It returns the exit status.
func run(args []string, env lookup, stdout, stderr io.Writer) int {
	set, err := parse(args, env)
	switch {
	case errors.Is(err, errHelp):
		writeHelp(stdout)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "dflockd: %v (see dflockd --help)\n", err)
		return exitUsage
	case set.version:
		fmt.Fprintln(stdout, version())
		return exitOK
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: set.level()}))
	opts, err := set.options(log)
	if err != nil {
		fmt.Fprintf(stderr, "dflockd: %v (see dflockd --help)\n", err)
		return exitUsage
	}
	if err := serve(set, log, opts); err != nil {
		fmt.Fprintf(stderr, "dflockd: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return exitFailed
	}
	return exitOK
}

// serve runs the server until a signal, then drains it.
func serve(set *settings, log *slog.Logger, opts []server.Option) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv, err := server.Start(context.Background(), opts...)
	if err != nil {
		return err
	}
	if set.secret != "" && set.tlsCert == "" && !isLoopback(set.host) {
		log.Warn("the secret is shown in plain text to whoever can listen on the network: use --tls-cert and --tls-key")
	}
	<-ctx.Done()
	stop() // a second signal ends the process
	drain, cancel := context.Background(), context.CancelFunc(func() {})
	if set.shutdownTimeout > 0 {
		drain, cancel = context.WithTimeoutCause(drain, set.shutdownTimeout, errors.New("shutdown timeout"))
	}
	defer cancel()
	return srv.Shutdown(drain)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// version says what was built.
func version() string {
	v := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		v = info.Main.Version
	}
	return "dflockd of github.com/berth-go/berth " + v + ", protocol of dflockd 1.10"
}
