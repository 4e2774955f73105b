// Dflockd is a lock server. It speaks the protocol of the original dflockd
// 1.10 and takes its flags and environment variables.
//
//	dflockd                                   # on 127.0.0.1:6388
//	dflockd --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --auth-token-file secret
//	dflockd --no-auto-release-on-disconnect --startup-grace 33
//	dflockd --help
//
// A flag wins over the environment. A value that cannot be read refuses to
// start, with one line that names it, and exit status 2.
//
// SIGINT or SIGTERM drains the server: nothing is granted any more, whoever
// waits is told so, and holders are served until they release or the shutdown
// timeout ends. A second one ends it at once.
package main
