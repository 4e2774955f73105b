// Package site is the web site that the crawler crawls when it is given none:
// a tree of real files with directory listings, slow on purpose, that counts
// the requests it serves at once.
//
// The count is the other side's view, and so the one that matters: a crawler
// can be wrong about its own limits, the site just sees how many requests are
// there. A request counts from its arrival until just before the first byte of
// its answer is written. From then on the client may give back its slot, and
// the next request may rightly arrive before this one has returned.
//
// A request whose client dies goes on and counts to its end, as it would at any
// real server that has begun to work on it.
package site
