package middleware

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers of gRFC A6's own example: 10 tokens, a ratio of 0.1.
func TestBudgetAllowsRetriesAboveHalfItsTokens(t *testing.T) {
	b := NewBudget(10, 0.1)
	for failure := 1; failure <= 4; failure++ {
		require.True(t, b.retry(), "failure %d leaves more than 5 tokens", failure)
	}
	require.False(t, b.retry(), "5 tokens are not more than half")
	for range 10 {
		b.succeeded()
	}
	require.False(t, b.retry(), "ten successes put back the one token that this takes")
	for range 11 {
		b.succeeded()
	}
	require.True(t, b.retry(), "5.1 tokens are left")
}

func TestBudgetStaysBetweenNothingAndFull(t *testing.T) {
	b := NewBudget(2, 0.5)
	for range 100 {
		b.succeeded()
	}
	require.Equal(t, b.full, b.tokens.Load())
	for range 100 {
		b.retry()
	}
	require.Zero(t, b.tokens.Load())
}

func TestWithoutABudgetEverythingMayBeRetried(t *testing.T) {
	var b *Budget
	b.succeeded()
	require.True(t, b.retry())
}

func TestBudgetRefusesNonsense(t *testing.T) {
	require.ErrorContains(t, NewBudget(0, 0.1).err, "maxTokens is 0")
	require.ErrorContains(t, NewBudget(1001, 0.1).err, "maxTokens is 1001")
	require.ErrorContains(t, NewBudget(10, 0).err, "tokenRatio is 0")
	require.ErrorContains(t, NewBudget(10, 11).err, "tokenRatio is 11")
	require.NoError(t, NewBudget(1000, 0.001).err)
}
