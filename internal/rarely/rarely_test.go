package rarely_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/rarely"
)

func TestTheSameIsSaidOnceAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
		defer slog.SetDefault(before)
		var l rarely.Logger
		for range 2*60 + 1 {
			l.Warn("full", "disk", "sda")
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, strings.Count(said.String(), "msg=full disk=sda\n"), said.String())
		l.Again()
		l.Warn("full", "disk", "sda")
		require.Equal(t, 4, strings.Count(said.String(), "msg=full disk=sda\n"), said.String())
	})
}
