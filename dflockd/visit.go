package dflockd

import (
	"bufio"
	"context"
	"time"

	"github.com/berth-go/berth/dflockd/internal/wire"
	"github.com/berth-go/berth/internal/errs"
)

// This file has questions that are asked over a connection of their own: their
// answers can be long, and nobody else should wait behind one.

// visit connects to the endpoint's only server, has f ask, and hangs up. The
// endpoint is used for nothing else.
func (e *endpoint) visit(ctx context.Context, f func(*conn) error) error {
	stopEndpoint := context.AfterFunc(ctx, e.stop)
	defer stopEndpoint()
	defer e.stop()
	c, err := e.connect(e.ctx, e.servers[0], "")
	if c != nil {
		defer c.raw.Close()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return e.verdict(err)
	}
	_ = c.rw.SetDeadline(time.Now().Add(e.cfg.socketTimeout))
	stop := context.AfterFunc(ctx, func() { _ = c.rw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = f(c)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// askLong sends a request and returns the text of the answer, which may be much
// longer than any other.
func (c *conn) askLong(r *wire.Request) (string, error) {
	out, err := wire.AppendRequest(nil, r)
	if err != nil {
		return "", err
	}
	if _, err := c.rw.Write(out); err != nil {
		return "", errs.Unavailable(err)
	}
	line, err := readLine(bufio.NewReaderSize(c.reader, 64<<10), wire.MaxStatsReply)
	if err != nil {
		return "", errs.Unavailable(err)
	}
	reply, err := wire.ParseReply(r.Command, line)
	if err != nil {
		return "", violation(err.Error())
	}
	if reply.Status != wire.OK {
		return "", refusal(reply)
	}
	return reply.Text, nil
}
