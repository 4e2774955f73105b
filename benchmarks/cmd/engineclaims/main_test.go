package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What it does with engines is checked by package cases, where there are some.
func TestWhatCannotBeRunIsRefusedBeforeAnythingIsDialled(t *testing.T) {
	require.ErrorContains(t, run(options{way: "etcd"}), "-addr")
	require.ErrorContains(t, run(options{way: "zookeeper", addr: "127.0.0.1:1"}), `no way "zookeeper": there are dflockd, etcd, mutex, redis`)
	require.ErrorContains(t, run(options{way: "mutex", addr: "127.0.0.1:1", limit: 2}), "one slot")
	require.ErrorContains(t, run(options{way: "setnx", addr: "127.0.0.1:1", growth: growth{claims: 1}}), "nothing that grows")
}
