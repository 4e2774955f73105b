// Package berth is the root of a module for jobs that may run only so many
// times at once across all machines. It holds no code: start with package
// [github.com/berth-go/berth/pool], which runs jobs, and package
// [github.com/berth-go/berth/dflockd], which grants the slots they run under.
package berth
