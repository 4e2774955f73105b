package limits

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatFitsIsNotReduced(t *testing.T) {
	n, note := Limits{Files: 20_000, Ports: 28_000}.Connections(19_000, 1)
	require.Equal(t, 19_000, n)
	require.Empty(t, note)
}

func TestTooFewFilesReduceAndSaySo(t *testing.T) {
	n, note := Limits{Files: 1024, Ports: 28_000}.Connections(19_000, 1)
	require.Equal(t, 624, n)
	require.Equal(t, "624 connections instead of 19000: a process may open 1024 files", note)
}

func TestTooFewPortsReduceAndSaySo(t *testing.T) {
	n, note := Limits{Files: 100_000, Ports: 10_000}.Connections(19_000, 1)
	require.Equal(t, 6_000, n)
	require.Equal(t, "6000 connections instead of 19000: there are 10000 local ports", note)
}

func TestSeveralLocalAddressesHaveTheirOwnPorts(t *testing.T) {
	n, note := Limits{Files: 100_000, Ports: 10_000}.Connections(19_000, 4)
	require.Equal(t, 19_000, n)
	require.Empty(t, note)
}

func TestSomethingIsAlwaysLeftToMeasure(t *testing.T) {
	n, note := Limits{Files: 10, Ports: 10}.Connections(19_000, 1)
	require.Equal(t, 1, n)
	require.NotEmpty(t, note)
}

func TestThePortRangeIsReadAsTheKernelPrintsIt(t *testing.T) {
	n, err := parsePorts("32768\t60999\n")
	require.NoError(t, err)
	require.Equal(t, 28_232, n)
	for _, bad := range []string{"", "1", "9 1", "a b"} {
		_, err := parsePorts(bad)
		require.Error(t, err, bad)
	}
}

func TestThisMachineHasLimits(t *testing.T) {
	l, err := Read()
	require.NoError(t, err)
	require.Positive(t, l.Files)
	require.Positive(t, l.Ports)
}
