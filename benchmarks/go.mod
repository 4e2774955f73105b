module github.com/berth-go/berth/benchmarks

go 1.26.0

require github.com/berth-go/berth v0.0.0

replace github.com/berth-go/berth => ../
