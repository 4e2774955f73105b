package goroutines_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/goroutines"
)

func TestThoseOfTheBubbleAreCountedAndNoOthers(t *testing.T) {
	outside := make(chan struct{})
	defer close(outside)
	go func() { <-outside }()
	synctest.Test(t, func(t *testing.T) {
		before := goroutines.InBubble(t)
		end := make(chan struct{})
		for range 100 {
			go func() { <-end }()
		}
		require.Equal(t, before+100, goroutines.InBubble(t))
		close(end)
		synctest.Wait()
		require.Equal(t, before, goroutines.InBubble(t))
	})
}
