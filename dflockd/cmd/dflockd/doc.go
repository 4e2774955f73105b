// Dflockd is a lock server. It speaks the protocol of the original dflockd
// 1.10 and takes its flags and environment variables.
//
//	dflockd                                   # on 127.0.0.1:6388
//	dflockd --no-auto-release-on-disconnect   # strict: safe over crashes and partitions
//	dflockd --host :: --tls-cert cert.pem --tls-key key.pem --auth-token-file secret
//	dflockd --unix /run/dflockd/socket --no-tcp
//	dflockd ping                              # does it answer?
//	dflockd --help
//
// A flag wins over the environment. A value that cannot be read refuses to
// start, with one line that names it, and exit status 2; so does a variable
// that looks like a misspelt one. The links that Kubernetes sets for a service
// named dflockd are ignored.
//
// In strict mode on a fixed port leases are 60 s long at most, and after a start
// nothing is granted for as long, unless --max-lease and --startup-grace say
// otherwise: a slot that the server granted before it was restarted may still be
// held. A grace shorter than the longest lease has to be asked for by name.
//
// SIGHUP reads certificates and the secret's file again, and drains nothing:
// connections stay, and if a file is broken nothing changes. The file may hold
// two secrets, a line each, of which either is right: add the new one above the
// old one, reload, change the clients, remove the old one, reload. SIGINT or SIGTERM drains the server:
// nothing is granted any more, whoever waits is told so, and holders are served
// until they release or the shutdown timeout ends. A second one ends it at once.
//
// A service manager that listens on NOTIFY_SOCKET, such as systemd, hears when
// the server is ready, reloads and stops, and, if it asks, that it still answers.
// Folder deploy of this repository has units, manifests, alerts and a dashboard.
package main
