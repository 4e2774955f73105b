// Package browsertest holds the tests of package dashboard that need a browser, in a
// module of their own.
package browsertest
