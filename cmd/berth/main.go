package main

import (
	"os"
	"runtime"
)

// The keeper starts the command from the first thread, which lives as long as the
// process: the command is bound to the thread that started it.
func init() { runtime.LockOSThread() }

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }
