//go:build !unix

package server

import "net"

// Where descriptors have no numbers that tell how many are left, none are spared.

func isSpareFile(net.Conn) bool { return false }

func filesToSpare() bool { return true }
