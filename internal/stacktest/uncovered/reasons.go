package main

// A reason says why no test takes a part of a function.
type reason struct{ file, function, why string }

// reasons are those of what is left out on purpose.
var reasons = []reason{}
