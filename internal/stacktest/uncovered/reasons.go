package main

// A reason says why no test takes a place.
type reason struct {
	file  string
	quote string // the first line of the place
	why   string
}

// reasons are those of what is left out on purpose.
var reasons = []reason{}
