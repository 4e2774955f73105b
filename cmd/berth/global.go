package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-go/berth/cmd/berth/internal/engine"
	"github.com/berth-go/berth/slot"
)

// variable marks a flag that an environment variable can set.
const variable = "berth-variable"

// secretVariable has no flag: whoever lists processes would see it.
const secretVariable = "BERTH_SECRET"

// global is what each command takes.
type global struct {
	engine engine.Settings
	json   bool
}

// flags adds the flags. A flag wins over its variable.
func (g *global) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.engine.URL, "engine", "", "URL of the engine, such as dflockd://127.0.0.1:6388")
	f.StringVar(&g.engine.SecretFile, "secret-file", "", "file with the engine's secret, in its first line; or the secret in "+secretVariable)
	f.BoolVar(&g.engine.TLS.On, "tls", false, "speak TLS with the engine, and check its name")
	f.StringVar(&g.engine.TLS.CA, "tls-ca", "", "file with the authorities to trust, in PEM, instead of the system's; means --tls")
	f.StringVar(&g.engine.TLS.ServerName, "tls-server-name", "", "name to check, if it is not the engine's address; means --tls")
	f.StringVar(&g.engine.TLS.Cert, "tls-cert", "", "file with a certificate to show, in PEM; means --tls")
	f.StringVar(&g.engine.TLS.Key, "tls-key", "", "file with its private key, in PEM")
	f.BoolVar(&g.json, "json", false, "print JSON, for programs")
	fromVariable(f, "engine", "BERTH_ENGINE")
	fromVariable(f, "secret-file", "BERTH_SECRET_FILE")
	fromVariable(f, "tls", "BERTH_TLS")
	fromVariable(f, "tls-ca", "BERTH_TLS_CA")
	fromVariable(f, "tls-server-name", "BERTH_TLS_SERVER_NAME")
	fromVariable(f, "tls-cert", "BERTH_TLS_CERT")
	fromVariable(f, "tls-key", "BERTH_TLS_KEY")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return g.prepare(cmd) }
}

// prepare reads the variables, once the flags are read.
func (g *global) prepare(cmd *cobra.Command) error {
	g.engine.Secret = engine.Secret(os.Getenv(secretVariable))
	return readVariables(cmd.Flags())
}

// fromVariable names the variable of a flag, and says so in its help.
func fromVariable(f *pflag.FlagSet, flag, name string) {
	fl := f.Lookup(flag)
	fl.Annotations = map[string][]string{variable: {name}}
	fl.Usage += " [" + name + "]"
}

// readVariables sets the flags that were not given. A variable that is empty is not
// set.
func readVariables(f *pflag.FlagSet) (err error) {
	f.VisitAll(func(fl *pflag.Flag) {
		names := fl.Annotations[variable]
		if fl.Changed || len(names) == 0 || os.Getenv(names[0]) == "" || err != nil {
			return
		}
		if f.Set(fl.Name, os.Getenv(names[0])) != nil {
			err = fmt.Errorf("the variable %s is %q, which is no value for --%s", names[0], os.Getenv(names[0]), fl.Name)
		}
	})
	return err
}

// open opens the engine for what asks and claims nothing.
func (g *global) open() (engine.Engine, error) {
	g.engine.Admin = true
	e, err := engine.Open(g.engine, slot.Keyed("", 1))
	if err != nil {
		return nil, &status{statusMisused, err}
	}
	return e, nil
}

// ask opens the engine, has f ask it, and closes it.
func (g *global) ask(ctx context.Context, patience time.Duration, f func(context.Context, engine.Engine) error) error {
	g.engine.Patience = patience
	e, err := g.open()
	if err != nil {
		return err
	}
	defer func() { _ = e.Close(ctx) }() // nothing is held
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %v", patience))
	defer cancel()
	return f(ctx, e)
}
