package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What it does with an etcd is checked by package cases, where there is one.
func TestWithoutAnAddressNothingIsDialled(t *testing.T) {
	require.ErrorContains(t, run(options{workers: 1, keys: 1}), "-addr")
}
