// Package wire is the dflockd protocol: requests of three lines, replies of
// one. It is pure: bytes and values, no connection and no clock.
//
// One table of commands (see command.go) drives all four directions:
//
//	client   AppendRequest ──▶  bytes  ──▶  ParseRequest   server
//	client   ParseReply    ◀──  bytes  ◀──  AppendReply    server
//
//	buf, err := wire.AppendRequest(nil, &wire.Request{Command: wire.SemLock, Key: "crawl", Limit: 12})
//	// buf is "sl\ncrawl\n0 12\n"
//	reply, err := wire.ParseReply(wire.SemLock, line)
//
// A request that does not fit the protocol is refused before a byte of it
// exists, so no field can smuggle a line break, and so a second request, into
// the stream. A reply that does not fit is [ErrGrammar], and its connection
// must not be used again: nobody knows which request the next line answers.
//
// Times are whole seconds here and nowhere else in this module; [Seconds] is
// the one place that rounds.
//
// Tokens and secrets redact themselves in every verb of fmt, in slog and in
// encoders, so that a Request or a Reply can be logged whole.
//
// Not guaranteed: that a reply makes sense for what was asked (a lease longer
// than requested, a token seen before). Its caller knows what it asked.
package wire
