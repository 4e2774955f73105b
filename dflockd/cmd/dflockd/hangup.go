//go:build !js && !wasip1

package main

import (
	"os"
	"syscall"
)

// hangup is the signal to read certificates and secrets again.
var hangup os.Signal = syscall.SIGHUP
