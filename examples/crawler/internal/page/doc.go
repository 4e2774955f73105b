// Package page fetches one web page, finds the links on it that may be followed,
// and says what the site asks of the crawler beside.
//
// A fetch is one request: a redirect is an answer, not a detour, since its
// target may be forbidden, be on another host, and need a slot of its own. No
// fetch takes longer than MaxTime, and of no page more than MaxBody is read; one
// that goes on beyond either is no page, but an error. Of what is no HTML only
// the headers are read.
package page
