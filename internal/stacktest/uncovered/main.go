// Command uncovered lists the statements of the client, the server and the cores that
// no test takes:
//
//	make uncovered
//	go run ./internal/stacktest/uncovered -profile cover.out   # of an earlier go test -coverprofile
//
// It runs their tests, and those of what is built on them, with coverage, for some
// minutes. What can be left out has its reason in [reasons]. Something without one is
// printed and is an error: test it, delete it, or say why it is there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-go/berth/internal/stacktest/counts"
)

const module = "github.com/berth-go/berth/"

// packages are those that are looked at.
var packages = []string{
	"dflockd", "dflockd/internal/locktable", "dflockd/internal/wire", "dflockd/server",
	"internal/lease", "internal/linkctx", "pool/internal/sched", "slot",
}

// tests are the packages whose tests count.
var tests = []string{
	"dflockd/...", "internal/lease", "internal/linkctx", "internal/stacktest", "middleware", "pool/...", "slot/...",
	"slothttp", "tracing",
}

func main() {
	profile := flag.String("profile", "", "what go test -coverprofile wrote; made if it is not given")
	flag.Parse()
	if err := run(*profile); err != nil {
		fmt.Fprintln(os.Stderr, "uncovered:", err)
		os.Exit(1)
	}
}

func run(profile string) error {
	root, err := counts.Root(".")
	if err != nil {
		return err
	}
	if profile == "" {
		dir, err := os.MkdirTemp("", "berth-uncovered-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		profile = filepath.Join(dir, "profile")
		if err := cover(root, profile); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		return err
	}
	found, err := uncovered(root, string(text))
	if err != nil {
		return err
	}
	return judge(root, found)
}

// cover runs the tests of the packages with coverage of all of them.
func cover(root, profile string) error {
	of := make([]string, len(packages))
	for i, p := range packages {
		of[i] = module + p
	}
	test := make([]string, len(tests))
	for i, p := range tests {
		test[i] = "./" + p
	}
	cmd := exec.Command("go", append([]string{"test", "-count=1", "-timeout=1h", "-coverpkg=" + strings.Join(of, ","), "-coverprofile=" + profile}, test...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stderr, os.Stderr
	return cmd.Run()
}

// judge prints what has no reason.
func judge(root string, found []block) error {
	missing := 0
	for _, b := range found {
		if !b.impossible() && !slices.ContainsFunc(reasons, func(r reason) bool { return r.file == b.file && r.function == b.function }) {
			missing++
			fmt.Printf("%s:%d: in %s: %s\n", b.file, b.line, b.function, b.quote)
		}
	}
	errs := stale(root)
	if missing > 0 {
		errs = append(errs, fmt.Errorf("%d places have neither a test nor a reason", missing))
	}
	fmt.Printf("no test takes %d places, %d of them with a reason\n", len(found), len(found)-missing)
	return errors.Join(errs...)
}

// impossible reports whether the code itself says that it cannot get here.
func (b block) impossible() bool { return strings.HasPrefix(b.quote, `panic("bug: `) }

// stale returns an error for each reason whose function is not there any more.
func stale(root string) (errs []error) {
	for _, r := range reasons {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(r.file)))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !regexp.MustCompile(`(?m)^(func (\(.*\) )?|var )` + r.function + `[(\[ ]`).Match(text) {
			errs = append(errs, fmt.Errorf("%s has no %s any more: take its reason out of the list", r.file, r.function))
		}
	}
	return errs
}
