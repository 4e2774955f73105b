// Package etcdtest runs etcd in this process, for tests and for programs that show
// something: one member or several, on loopback ports and in a temporary folder. It
// is a module of its own, so that nobody who uses etcd has the modules of its server
// among their own.
package etcdtest
