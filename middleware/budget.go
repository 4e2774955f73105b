package middleware

import (
	"fmt"
	"math"
	"sync/atomic"
)

// A Budget bounds the retries of all jobs that share it, so that a server that
// is down is not also buried under retries: while most attempts fail, nothing
// is retried. One Retry is one budget for its whole pool; the same Budget given
// to several pools is shared by them.
//
// It is the token bucket of gRPC's retry throttling (gRFC A6, "Throttling Retry
// Attempts"): it starts full with maxTokens, an attempt that fails and would be
// retried takes one token, a success puts tokenRatio of one back, and retries
// are allowed while more than half of maxTokens are left. In a steady state at
// most tokenRatio retries are made for each success.
type Budget struct {
	err    error // what was wrong with NewBudget's arguments; Retry reports it
	full   int64 // thousandths of a token, as are the following
	refund int64
	tokens atomic.Int64
}

// Invariant: 0 ≤ tokens ≤ full.

const token = 1000 // gRFC A6: the ratio has three decimal places

// NewBudget returns a full budget. maxTokens must be from 1 to 1000 and tokenRatio
// from 0.001 to maxTokens, as gRFC A6 has it; else the pool that the budget is
// used in is refused by pool.New. gRFC A6's own example is NewBudget(10, 0.1).
func NewBudget(maxTokens int, tokenRatio float64) *Budget {
	b := &Budget{}
	switch {
	case maxTokens < 1 || maxTokens > 1000:
		b.err = fmt.Errorf("NewBudget: maxTokens is %d: give 1 to 1000", maxTokens)
	case !(tokenRatio >= 0.001 && tokenRatio <= float64(maxTokens)): // also refuses NaN
		b.err = fmt.Errorf("NewBudget: tokenRatio is %v: give 0.001 to maxTokens", tokenRatio)
	default:
		b.full = int64(maxTokens) * token
		b.refund = int64(math.Floor(tokenRatio*token + 1e-9))
	}
	b.tokens.Store(b.full)
	return b
}

// succeeded puts part of a token back.
func (b *Budget) succeeded() {
	if b != nil && b.tokens.Load() < b.full {
		b.add(b.refund)
	}
}

// retry takes a token for an attempt that failed, and reports whether it may be
// retried. Without a budget it always may.
func (b *Budget) retry() bool {
	return b == nil || b.add(-token) > b.full/2
}

// add changes the tokens by delta, between none and full, and returns what is left.
func (b *Budget) add(delta int64) int64 {
	for {
		old := b.tokens.Load()
		now := min(max(old+delta, 0), b.full)
		if b.tokens.CompareAndSwap(old, now) {
			return now
		}
	}
}
