package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyFilesOfThePoolWithABlockThatRanAreCounted(t *testing.T) {
	profile := "mode: atomic\n" +
		module + "pool/submit.go:10.2,12.3 2 1\n" +
		module + "pool/submit.go:13.2,14.3 1 10\n" +
		module + "pool/map.go:1.2,3.4 5 0\n" +
		module + "pool/internal/sched/core.go:7.1,8.2 1 3\n" +
		module + "internal/stacktest/footprint/main.go:1.1,2.2 1 9\n"
	require.Equal(t, []string{"internal/sched/core.go", "submit.go"}, executed(profile))
}
