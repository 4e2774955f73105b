package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What Spin 6.5.2 prints.
const (
	wholeRun = `
State-vector 68 byte, depth reached 398941, errors: 0
   305600 states, stored
unreached in proctype peer
	/x/lease.pml:422, state 86, "assert(0)"
	/x/lease.pml:252, state 194, "line??eval(_pid)"
	/x/lease.pml:585, state 247, "-end-"
	(3 of 247 states)
unreached in claim ltl_0
	_spin_nvr.tmp:13, state 20, "-end-"
`
	broken = `pan:1: assertion violated ((held[0]+held[1])<=1) (at depth 1817)
State-vector 68 byte, depth reached 1830, errors: 1
       99 states, stored
`
	tooDeep = `error: max search depth too small
State-vector 68 byte, depth reached 99, errors: 0
       99 states, stored
`
	tooLarge = `Warning: Search not completed
State-vector 68 byte, depth reached 99, errors: 0
       99 states, stored
`
)

func TestTheCheckersOutputIsReadAsItIsMeant(t *testing.T) {
	r, err := parse(wholeRun)
	require.NoError(t, err)
	require.Equal(t, result{states: 305600, depth: 398941, complete: true, unreached: []string{"proctype peer: line??eval(_pid)"}}, r)
	r, err = parse(broken)
	require.NoError(t, err)
	require.Equal(t, 1, r.errors)
	require.Contains(t, r.says, "held[0]+held[1]")
	for _, out := range []string{tooDeep, tooLarge} {
		r, err = parse(out)
		require.NoError(t, err)
		require.False(t, r.complete)
	}
	_, err = parse("pan: out of memory")
	require.ErrorContains(t, err, "without a result")
}
