module github.com/berth-go/berth/examples

go 1.26.0

require github.com/berth-go/berth v0.0.0

replace github.com/berth-go/berth => ../
