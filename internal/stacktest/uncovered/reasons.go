package main

// A reason says why no test takes a part of a function.
type reason struct{ file, function, why string }

const (
	system  = "a call of the system fails, and no test can have it do that"
	checked = "what is refused here was checked before; it stays, since the signature has an error"
	moment  = "two things have to happen at the same moment, which no test can arrange: the random tests come there by chance"
	answer  = "a server answers what none does; fuzzing comes there"
	cluster = "a member of a cluster sends the client away at this moment; clusters are known from their public documentation alone"
	printed = "a number that is not in the table is printed, for a debugger"
)

// reasons are those of what is left out on purpose.
var reasons = []reason{
	// The client.
	{"dflockd/beat.go", "renewed", cluster + "; or " + answer},
	{"dflockd/closing.go", "shut", moment},
	{"dflockd/cluster.go", "rejoined", cluster},
	{"dflockd/config.go", "loopback", checked},
	{"dflockd/conn.go", "readLoop", answer},
	{"dflockd/conn.go", "answer", answer},
	{"dflockd/control.go", "noteAll", moment},
	{"dflockd/dial.go", "dial", moment},
	{"dflockd/direct_unix.go", "newDirect", system},
	{"dflockd/endpoint.go", "noteMiss", "10,000 keys have to be contended at once; what is forgotten then costs one request for each"},
	{"dflockd/grant.go", "placed", cluster},
	{"dflockd/grant.go", "waitedFor", cluster + "; or " + answer},
	{"dflockd/grant.go", "confirm", moment + "; or " + answer},
	{"dflockd/grant.go", "notGranted", answer},
	{"dflockd/handshake.go", "startTLS", checked},
	{"dflockd/handshake.go", "greet", checked},
	{"dflockd/handshake.go", "greeted", answer},
	{"dflockd/holder.go", "acquire", moment},
	{"dflockd/inspect.go", "serverOf", checked},
	{"dflockd/inspect.go", "inspect", answer},
	{"dflockd/inspect.go", "inspectOriginal", answer},
	{"dflockd/rescue.go", "keep", cluster},
	{"dflockd/rescue.go", "expireAll", moment},
	{"dflockd/silence_linux.go", "limitUnacknowledged", system},
	{"dflockd/single.go", "dialCalledOff", moment},
	{"dflockd/source.go", "Try", moment},
	{"dflockd/source.go", "reason", moment},
	{"dflockd/source.go", "Partition", "a function of WithSharding fails, of which each claim tells"},
	{"dflockd/stats.go", "readStats", answer},
	{"dflockd/unreachable.go", "noTLS", "a server that sends an alert within the handshake, as one does that speaks TLS 1.2 alone"},
	{"dflockd/unreachable.go", "badCertificate", "a certificate that has expired would have to be made anew for each run"},
	{"dflockd/unreachable.go", "subjects", "a certificate for nobody, which no tool makes"},
	{"dflockd/unreachable.go", "orTLS", moment},
	{"dflockd/unreachable.go", "bare", system},
	{"dflockd/visit.go", "visit", moment},
	{"dflockd/visit.go", "askLong", answer},
	{"dflockd/write.go", "flush", system},

	// The protocol and the lock table.
	{"dflockd/internal/locktable/claim.go", "String", printed},
	{"dflockd/internal/locktable/table.go", "after", "a time that is past the largest one: 292 years after the start of the server"},
	{"dflockd/internal/wire/command.go", "String", printed},
	{"dflockd/internal/wire/reply.go", "String", printed},

	// The server.
	{"dflockd/server/auth.go", "addressOf", "an address that is none, as a listener of somebody else may give"},
	{"dflockd/server/control.go", "control", moment},
	{"dflockd/server/files_unix.go", "isSpare", system},
	{"dflockd/server/files_unix.go", "isSpareFile", system},
	{"dflockd/server/files_unix.go", "filesToSpare", system},
	{"dflockd/server/hub.go", "call", moment},
	{"dflockd/server/lockfolder_unix.go", "lockFolder", system},
	{"dflockd/server/memconn.go", "Network", "package net asks for it, and nothing here does"},
	{"dflockd/server/memconn.go", "RemoteAddr", "package net asks for it, and nothing here does"},
	{"dflockd/server/memconn.go", "SetDeadline", "package net asks for it, and nothing here does"},
	{"dflockd/server/metrics.go", "startMetrics", system},
	{"dflockd/server/metrics.go", "Write", "package net/http tells of a client of the page that misbehaves, in words of its own"},
	{"dflockd/server/peer_linux.go", "unixUser", system},
	{"dflockd/server/server.go", "stopListening", system},
	{"dflockd/server/server.go", "startWatcher", system},
	{"dflockd/server/server.go", "accept", moment},
	{"dflockd/server/socket_linux.go", "newSocket", system},
	{"dflockd/server/socket_linux.go", "receive", system},
	{"dflockd/server/unixsocket.go", "listenUnix", system},
	{"dflockd/server/unixsocket.go", "Close", system},
	{"dflockd/server/unixsocket.go", "removeStale", system},
	{"dflockd/server/watcher_linux.go", "newWatcher", system},
	{"dflockd/server/watcher_linux.go", "control", system},

	// Slots and contexts.
	{"internal/linkctx/context.go", "onCancel", moment},
	{"slot/all.go", "newSlot", moment},
	{"slot/allticket.go", "waitFor", moment},
	{"slot/allticket.go", "add", moment},
	{"slot/allticket.go", "take", moment},
	{"slot/fallbackticket.go", "move", moment},
	{"slot/localticket.go", "String", printed},
	{"slot/minhold.go", "keep", moment},
	{"slot/outage.go", "failed", moment},
	{"slot/outage.go", "probe", moment},

	// The core of the pool.
	{"pool/internal/sched/batch.go", "dropBatch", "whoever calls it has looked before; it stays, so that it may be called twice"},
	{"pool/internal/sched/heap.go", "remove", "a heap that was large gives its memory back, which shows in nothing else"},
}
