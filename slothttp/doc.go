// Package slothttp sends and serves HTTP requests under slots.
//
// A [Transport] holds a slot for each request of an http.Client, so that no more
// than the limit are under way to a host at once, over all machines that share the
// source:
//
//	client := &http.Client{Transport: &slothttp.Transport{Source: src}}
//	resp, err := client.Get("https://example.com/")
//
// [Handler] serves each request under a slot, and answers 503 to those for which
// none is free in time.
//
// # How long a request holds its slot
//
// From before it is sent until its response is over: its body was read to its end
// or closed, the round trip failed, or the context of the request has ended. A
// response that cannot have a body (to HEAD, 204, 304, and where the transport
// says http.NoBody) is over when it is there. An http.Client that follows a
// redirect has a slot for each hop, and gives it back in between.
//
// A connection that was upgraded (101) holds its slot until it is closed. The
// context of the request does not end it, as in net/http; the loss of the slot
// closes it.
//
// A body that is neither read to its end nor closed keeps its slot, as it keeps its
// connection in net/http. What ends it is the context of the request: give it a
// deadline. As a last net the slot goes back when the garbage collector finds that
// nobody has the response any more, which may take long; package log/slog is told
// of that, once a minute at most. So close bodies.
//
// # What happens when a server asks for less
//
// With Transport.PauseAtMost, an answer of 429 or 503 with a Retry-After pauses its
// key until then, for everybody who claims slots of it (see slot.Controller): nobody
// is granted one, here or on another machine. The response goes to the caller all the
// same, once the engine of the slots has answered: that is waited for for 2 s at
// most. Requests that are under way go on. Where the engine does not answer, refuses,
// or cannot pause a key, as the original dflockd, this transport alone keeps to it.
// A pause never ends another's sooner. Source has to be the one that the slots of the
// key come from: of slot.All no key can be paused.
//
// # What happens when a slot is lost
//
// The context of the request ends, before anybody else can be granted the slot, as
// far as the source can tell. The round trip or the next Read fails with an error
// that matches slot.ErrLost. What the server does with a request that was cut off
// is up to the server.
//
// # What is not guaranteed
//
// The limit counts requests whose context has not ended. A server may work on one
// of which its client has gone.
//
// A request that is sent while the same goroutine holds the last slot of the same
// key, by a body that is still open or by slot.Do, waits for itself. Close the
// body first, or give the context a deadline.
//
// What a base transport does beside the requests that it was given is not counted:
// its idle connections, for example.
package slothttp
