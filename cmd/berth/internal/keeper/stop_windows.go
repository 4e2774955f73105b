package keeper

import "syscall"

// Nothing stops a process on Windows but a debugger.
func isStop(syscall.Signal) bool     { return false }
func isContinue(syscall.Signal) bool { return false }
