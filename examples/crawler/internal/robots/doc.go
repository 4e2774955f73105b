// Package robots reads robots.txt files as RFC 9309 says, and answers what one
// crawler may ask a site for.
//
//	rules := robots.Parse(text, "berth-crawler")
//	rules.Allows("/some/page?print=1")
//
// The groups that name the crawler hold, all together; only if there is none do
// those for "*" hold. Of the rules that match a path the longest decides, and of
// two as long as each other the one that allows. What cannot be read is skipped,
// line by line: a mistake in one line is no reason to heed less of the others,
// or to refuse the site.
//
// # Beyond the RFC
//
// Crawl-delay is read, since sites use it. And a path is asked for only if it
// is allowed in each spelling that a lenient server may take it for: "/a%2Fb"
// and "//a/b" count as "/a/b", too. That can only forbid more than the RFC does.
package robots
