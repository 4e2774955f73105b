package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"strings"
)

// errHelp is returned by parse when help was asked for.
var errHelp = errors.New("help")

// parse reads the defaults, the flags, and from the environment what no flag
// has set. The error names what cannot be read.
func (cl *commandLine) parse(args []string, env environment) (*settings, error) {
	s := &settings{}
	fs := flag.NewFlagSet("dflockd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for row := range cl.rows() {
		fs.Var(&flagValue{s, row}, row.flag, row.help)
		if row.initial != "" {
			if err := row.set(s, row.initial, fromDefault); err != nil {
				panic("bug: default of --" + row.flag + " " + err.Error())
			}
		}
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, errHelp
	case err != nil:
		return nil, flagError(err)
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	byFlag := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { byFlag[f.Name] = true })
	byFlag["auto-release-on-disconnect"] = byFlag["auto-release-on-disconnect"] || byFlag["no-auto-release-on-disconnect"]
	for _, secret := range []string{"auth-token", "admin-token"} {
		byFlag[secret] = byFlag[secret] || byFlag[secret+"-file"]
		byFlag[secret+"-file"] = byFlag[secret]
	}
	notes, err := env.check(knownVariables())
	if err != nil {
		return nil, err
	}
	s.notes = notes
	for row := range cl.rows() {
		if err := row.fromEnv(s, env, byFlag[row.flag]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// rows yields all settings, in the order of the help.
func (cl *commandLine) rows() iter.Seq[setting] {
	return func(yield func(setting) bool) {
		for _, sec := range cl.sections {
			for _, row := range sec.settings {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// fromEnv sets the row from the environment, unless a flag did. A variable
// that is set and empty counts as not set, but not where it is to be a secret.
func (row setting) fromEnv(s *settings, env environment, byFlag bool) error {
	for _, name := range row.env {
		v, ok := env.lookup(name)
		if !ok || v == "" && !row.guards() || byFlag {
			continue
		}
		if err := row.set(s, v, fromEnv); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return nil
}

// flagValue lets a row be set by the flag package.
type flagValue struct {
	s   *settings
	row setting
}

func (f *flagValue) String() string     { return "" }
func (f *flagValue) IsBoolFlag() bool   { return f.row.value == "" }
func (f *flagValue) Set(v string) error { return f.row.set(f.s, v, fromFlag) }

// flagError makes one plain line of what the flag package says, and keeps the
// value of a secret out of it.
func flagError(err error) error {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, " for flag -"); ok {
		return errors.New("--" + rest)
	}
	if _, name, ok := strings.Cut(text, "flag provided but not defined: -"); ok {
		return errors.New("unknown flag --" + name)
	}
	if _, name, ok := strings.Cut(text, "flag needs an argument: -"); ok {
		return errors.New("--" + name + " needs a value")
	}
	if _, rest, ok := strings.Cut(text, " for -"); ok { // invalid boolean value …
		return errors.New("--" + rest)
	}
	return err
}

// writeHelp writes all settings, each with its flag, variable and default.
func (cl *commandLine) writeHelp(w io.Writer) {
	fmt.Fprint(w, cl.usage)
	for _, sec := range cl.sections {
		fmt.Fprintf(w, "\n%s\n", sec.title)
		for _, row := range sec.settings {
			row.writeHelp(w)
		}
	}
	fmt.Fprint(w, cl.footer)
}

func (row setting) writeHelp(w io.Writer) {
	head := "--" + row.flag
	if row.value != "" {
		head += " " + row.value
	}
	if len(row.env) > 0 {
		head = fmt.Sprintf("%-38s %s", head, strings.Join(row.env, " or "))
	}
	text := row.help
	if row.initial != "" {
		text += " (default " + row.initial + ")"
	}
	fmt.Fprintf(w, "  %s\n        %s\n", head, text)
}
