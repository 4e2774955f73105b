// Package dflockd is a client for dflockd, a lock server: semaphores and locks
// that processes on many machines share.
//
// A [Source] claims slots for a pool of workers, over few connections:
//
//	src, err := dflockd.NewSource(dflockd.Fixed("crawl", 12), dflockd.WithServers("10.0.0.5:6388"))
package dflockd
