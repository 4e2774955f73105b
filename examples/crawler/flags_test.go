package main

import (
	"bytes"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/examples/internal/engine"
)

func TestDefaultsAreThoseOfTheHelp(t *testing.T) {
	s, err := parse(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, settings{engine: engine.Dflockd, pages: 3000, procs: 3, workers: 32, slots: 12, perHost: 4, seed: 1, maxWait: time.Minute}, s)
}

func TestBadInputIsOneLineThatNamesIt(t *testing.T) {
	for args, want := range map[string]string{
		"-pages 0":                           "-pages 0: must be at least 1",
		"-procs -1":                          "-procs -1: must be at least 1",
		"-procs 65":                          "at most 64",
		"-workers 0":                         "-workers 0",
		"-workers 10001":                     "at most 10000",
		"-slots 0":                           "-slots 0",
		"-per-host 0":                        "-per-host 0",
		"-rate 0":                            "-rate 0: must be at least 1",
		"-rate 1001":                         "at most 1000",
		"-host-rate -3":                      "-host-rate -3",
		"-host-rate 0.5":                     "-host-rate",
		"-unlimited -rate 3":                 "-unlimited",
		"-unlimited -host-rate 3":            "-unlimited",
		"-pages many":                        `"many"`,
		"-pages 99999999999999999999":        "-pages",
		"-seed -1":                           "-seed",
		"-frobnicate":                        "-frobnicate",
		"extra":                              `"extra"`,
		"-server localhost":                  "want host:port",
		"-server :6388":                      "want host:port",
		"-server=":                           "want host:port",
		"-url example.com":                   "want a web address",
		"-url ftp://example.com/":            "want a web address",
		"-url http://":                       "want a web address",
		"-url http://user:pass@example.com/": "want a web address",
		"-url http://%zz/":                   "want a web address",
		"-kill -procs 1":                     "-procs 2",
		"-unlimited -server localhost:6388":  "-unlimited",
		"-unlimited -engine etcd":            "-unlimited",
		"-engine zookeeper":                  "want dflockd, etcd or redis",
		"-engine=":                           "want dflockd, etcd or redis",
		"-engine etcd -server localhost:1":   "give one of them",
		"-server zookeeper://localhost:1":    "dflockd://, etcd:// or redis://",
		"-server redis://localhost":          "want host:port",
		"-unlimited -url http://example.com": "-unlimited",
		"-seed 2 -url http://example.com":    "-seed",
		"-url http://a -max-wait 0s":         "-max-wait 0s",
		"-url http://a -max-wait long":       "-max-wait",
		"-max-wait 1s":                       "-url",
		"-contact me@example.com":            "-url",
		"-url http://a -contact a(b":         "-contact",
		"-for 0s":                            "-for 0s",
		"-for -1s":                           "-for -1s",
		"-http 10.0.0.1:80":                  "for this machine only",
		"-url=":                              "want a web address",
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		require.ErrorContains(t, err, want, args)
		require.NotContains(t, err.Error(), "\n", args)
	}
}

func TestURLIsBroughtToTheFormThatLinksHave(t *testing.T) {
	s, err := parse([]string{"-url", "https://Example.com:443#top", "-url", "http://a/%62/../c"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "https://example.com/", s.urls[0].String())
	require.Equal(t, "http://a/c", s.urls[1].String())
}

func TestUserAgentSaysWhereToReadAboutTheCrawlerAndWhomToWriteTo(t *testing.T) {
	s, err := parse([]string{"-url", "http://a/"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "berth-crawler/0.1 (+https://github.com/berth-go/berth)", s.agent())
	s, err = parse([]string{"-url", "http://a/", "-contact", "you@example.com"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "berth-crawler/0.1 (+https://github.com/berth-go/berth; you@example.com)", s.agent())
}

func TestHelpSaysWhatTheProgramDoesAndEveryFlag(t *testing.T) {
	var out bytes.Buffer
	_, err := parse([]string{"-h"}, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, want := range []string{"Crawls a web site", "-pages N", "-kill", "-unlimited", "-url URL", "-server host:port", "(default 3000)"} {
		require.Contains(t, out.String(), want)
	}
}
