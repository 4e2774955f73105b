// Command crawler crawls a web site with several worker processes that share
// one limit: so many requests at once in all, and so many on each host,
// whichever process makes them.
//
//	go run ./examples/crawler
//
// starts a dflockd server and a web site made of the Go distribution's own
// files, both on this machine, and three worker processes, each a pool of
// workers. With -engine the slots come from etcd or Redis instead. A worker may fetch a page only while it holds a slot of the page's
// host and one of the slots in all. The site counts the requests that it serves
// at once, and the summary shows what it saw beside the limits.
//
//	go run ./examples/crawler -kill        # kill a worker process on the way
//	go run ./examples/crawler -unlimited   # without slots: the site notices
//	go run ./examples/crawler -engine etcd # slots of an etcd that is started here
//	go run ./examples/crawler -http :8080  # see the pools at work, a page each from 8080 on
//	go run ./examples/crawler -h           # all flags
//
// The program exits with status 0 if the limits were reached and never passed
// and no page was lost, 1 if not or if it could not run, 2 if its flags make no
// sense, and 130 if it was interrupted, which ends it within a second.
//
// # Real sites
//
//	go run ./examples/crawler -url https://example.com/ -contact you@example.com
//
// crawls a real site, or several with more than one -url: pages of the same
// scheme, host and port. What its owner may rely on:
//
//   - robots.txt comes first and is obeyed as RFC 9309 says, in every spelling of
//     a path, for links and for each redirect. An answer of the 400s means that
//     there are no rules. One of the 500s, 429 or none at all forbids everything:
//     it is asked for again, five times at most where the site answers and three
//     where it does not, and then the host is given up. Five redirects of it are
//     followed, ten of a page.
//   - Crawl-delay is kept between an answer and the next request, that for
//     robots.txt included unless only the start page is read.
//   - Retry-After is kept with 429, 503 and whatever of the 500s or 403 has it; where
//     no time is named it is a second, and twice as long each time in a row. No worker
//     process asks the host for anything before it has passed, once it was told, and
//     then one request of each goes first. Other hosts go on, and other crawlers with
//     the same server keep to it, too.
//   - No page is asked for twice, unless the site asked to come back later, or
//     there was no answer (three times at most).
//   - Never more than -per-host requests are there at once, -slots in all.
//   - Links marked nofollow are not followed, nor are those of pages that say so
//     in their head or in X-Robots-Tag.
//   - Only HTML is read, at most 8 MiB of a page and for 10 s. Of anything else
//     only the headers are read.
//   - The User-Agent names the program, and whoever -contact says runs it.
//
// A host that asks for more patience than -max-wait (a minute, if it is not given)
// is given up: by Retry-After, by not answering for so long, or by a Crawl-delay,
// in which case its start page is read and nothing else. So is one where eight
// pages in a row could not be had, and each worker process is told: what it began
// before, it finishes. What is left is counted, as is what -for leaves when it ends
// the crawl.
//
// "ok" and status 0 mean that each page given with -url was read, and that each
// other one that was asked for had an answer. An answer may be an error, such as
// 404; a page that breaks off, or does not end, or is still unavailable at the
// last try is none, and neither is one that was left with its host or when -for
// had passed.
//
// Crawlers with the same server leave a host alone together: where one of them is told
// to come back later, no other begins a request there for as long, up to a minute.
// One that has its slots already may; and the original dflockd knows no pauses: there
// Retry-After holds for the processes of one crawl. The summary says which hosts were
// left alone, how often and for how long.
//
// -rate, -host-rate and Crawl-delay are rates of slot.Pace, which all crawlers with one
// server keep together: an engine with a clock grants each slot when a request may
// begin, evenly. In any second that is at most one more than the rate. Where the engine
// has none, as etcd and the original dflockd, a start keeps a turn until the next one
// may come; the last turn of a crawl counts for ten more seconds at most, and not at
// all when the crawl is interrupted. With -rate, requests that had their host's turn
// wait for that in all, so that -per-host of them can come closer on their host.
//
// # How it is made
//
// The parent process owns the frontier: which URLs are known, who has which,
// what became of each. It hands URLs to the workers over pipes, one JSON line
// each way, and gives those of a dead worker to the others. Only the parent
// draws, and only it acts on Ctrl-C: it tells the workers to finish what they
// have. They end when their pipe closes, however the parent died.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// workerArgument is what the parent starts itself with to get a worker.
const workerArgument = "worker-process"

func main() {
	if len(os.Args) == 2 && os.Args[1] == workerArgument {
		os.Exit(workerMain(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(crawlerMain(os.Args[1:], os.Stdout, os.Stderr))
}

func crawlerMain(args []string, stdout *os.File, stderr io.Writer) int {
	s, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "crawler: %v (crawler -h lists the flags)\n", err)
		return exitUsage
	}
	status, err := run(s, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "crawler: %v\n", err)
		return exitFailed
	}
	return status
}
