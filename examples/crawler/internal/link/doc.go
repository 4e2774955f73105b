// Package link gives each web page one address, however a link to it is
// written: what RFC 3986 says are two spellings of one URL is one string here,
// so that a page is fetched once and a rule about it cannot be slipped past.
package link
