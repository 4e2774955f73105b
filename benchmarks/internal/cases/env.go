package cases

// An Env is where the benchmarks run: the programs that are there, and how
// large the scenarios may be.
type Env struct {
}
