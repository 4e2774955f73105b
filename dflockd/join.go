package dflockd

import (
	"context"
	"errors"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
	"github.com/berth-go/berth/slot"
)

// This file has claims whose claimants do not wait but are told.

var _ slot.Joiner = (*Source)(nil)

// joined is what the claimant sees of a claim that it will be told of.
type joined claim

// Join claims a slot of key for c, which is told what becomes of the claim. It
// writes nothing itself, and blocks neither on the server nor on the network.
//
// It is made for keys that are contended. A server that takes no tagged
// requests is asked on a connection that the claim has to itself, with one
// request that is answered when the slot is there: nobody learns when the claim
// had its place in line, so [slot.Trace] is not told Queued, and slot.Info.Queued
// is true even where the slot was free.
func (s *Source) Join(ctx context.Context, key string, c slot.Claimant) (slot.Place, error) {
	if c == nil {
		return nil, &Error{Engine: engine, Op: "claim", Key: key, Err: errs.Permanently(errors.New("Join needs a claimant"))}
	}
	cl, e, err := s.newClaim(ctx, key)
	if err != nil {
		return nil, err
	}
	cl.kind, cl.to = kindJoined, c
	e.claim(cl)
	return (*joined)(cl), nil
}

// Leave gives up the claim.
func (j *joined) Leave() {
	cl := (*claim)(j)
	cl.e.lock()
	defer cl.e.unlock()
	if cl.owner == ownerWaits {
		cl.abandon(ErrClosed, time.Now())
		cl.tell()
	}
}

// Ahead is that of a ticket.
func (j *joined) Ahead() (int, bool) { return (*claim)(j).ahead() }

// joinLine asks for the slot in one request, over a connection that nothing else
// uses. Caller holds endpoint.mu.
func (cl *claim) joinLine(now time.Time) {
	cl.move(stageWait)
	cl.asked, cl.queued = now, true
	cl.conn.alone = true
	cl.e.relist(cl.conn)
	x := exchange{role: roleWait, command: cl.verbs.try, claim: cl, sent: now}
	cl.conn.send(x, &wire.Request{Key: cl.name, Timeout: longestWait, Limit: cl.limit, Lease: cl.e.leaseSeconds()})
}

// tell has the claimant told, once mu is free, if there is something to tell.
// Caller holds endpoint.mu.
func (cl *claim) tell() {
	if cl.owner != ownerWaits || !cl.settled() {
		return
	}
	if cl.takeable() {
		cl.owner = ownerHas
		cl.noteBegin()
	} else {
		cl.owner, cl.verdict = ownerKnows, cl.gone()
	}
	cl.e.news.add(cl)
}

// news are the claims whose claimants are to be told, in order.
type news struct{ first, last *claim }

func (n *news) add(cl *claim) {
	if n.last == nil {
		n.first = cl
	} else {
		n.last.nextTold = cl
	}
	n.last = cl
}

// spread tells the claimants, all of them though one panics or ends the goroutine.
// Nobody holds endpoint.mu.
func (n *news) spread(c *config) {
	if n.first == nil {
		return
	}
	defer n.spread(c)
	for n.first != nil {
		cl := n.first
		n.first, cl.nextTold = cl.nextTold, nil
		c.catch("a slot.Claimant", cl.tellClaimant)
	}
}

// tellClaimant tells the claimant what has become of the claim. A slot goes back
// whose claimant panics when it is told: nobody else would release it.
func (cl *claim) tellClaimant() {
	if cl.owner != ownerHas {
		cl.to.Refused(cl.verdict)
		return
	}
	told := false
	defer func() {
		if !told {
			_ = (*grant)(cl).Release()
		}
	}()
	cl.to.Granted((*grant)(cl))
	told = true
}
