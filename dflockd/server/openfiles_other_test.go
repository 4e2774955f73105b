//go:build !unix

package server

import "errors"

// openFiles returns a number of open files that is safe to count on.
func openFiles() int { return 4096 }

func limitOpenFiles(uint64) error { return errors.ErrUnsupported }
