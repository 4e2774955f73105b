package site

import "strings"

// Host names the host that a page belongs to: the first two elements of the
// page's directory. "/src/net/http/x.go" belongs to "src/net", "/src/" to
// "src", and what lies at the top to "/". The site counts by it and the crawler
// claims slots by it, so both mean the same by "four per host".
func Host(path string) string {
	dir := strings.Trim(path[:strings.LastIndexByte(path, '/')+1], "/")
	if dir == "" {
		return "/"
	}
	elements := strings.SplitN(dir, "/", 3)
	if len(elements) == 3 {
		elements = elements[:2]
	}
	return strings.Join(elements, "/")
}
