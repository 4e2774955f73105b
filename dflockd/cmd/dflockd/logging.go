package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// logFormat takes how log lines are written.
func logFormat(s *settings, v string, _ source) error {
	switch v = strings.ToLower(v); v {
	case "text", "json":
		s.logJSON = v == "json"
		return nil
	}
	return fmt.Errorf("%q is neither text nor json", v)
}

// logLevel takes from where on log lines are written.
func logLevel(s *settings, v string, _ source) error {
	switch v = strings.ToLower(v); v {
	case "debug", "info", "warn", "error":
		return s.logLevel.UnmarshalText([]byte(v))
	}
	return fmt.Errorf("%q is none of debug, info, warn, error", v)
}

// logger writes to w as the settings say.
func (s *settings) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.logLevel}
	if s.debug {
		opts.Level = min(s.logLevel, slog.LevelDebug)
	}
	if s.logJSON {
		opts.ReplaceAttr = withUnits
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// withUnits writes a duration as text output does, 5s: JSON would have a number
// of nanoseconds that nobody can tell from one of seconds.
func withUnits(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
