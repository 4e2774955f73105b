//go:build js || wasip1

package main

import "os"

// hangup is a signal that does not come: there is none here to reload with.
var hangup os.Signal = noSignal{}

type noSignal struct{}

func (noSignal) String() string { return "none" }
func (noSignal) Signal()        {}
