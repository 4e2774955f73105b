// Package benchmarks measures berth beside other people's work, in one run.
//
//	make bench        # everything, about half an hour; writes results/
//	make bench-short  # each benchmark once: does it still run, is the table the same?
//	go test -bench Pools ./benchmarks
package benchmarks
