// Package engine opens the engine that a URL names: dflockd://host:port and what
// else is in the table of [engines].
package engine
