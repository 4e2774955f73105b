//go:build !unix

package etcdtest_test

// memberFromEnv runs no member: here the tests start no processes.
func memberFromEnv() (code int, is bool) { return 0, false }
