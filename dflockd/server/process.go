package server

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// processFigures describe the process. What a system does not tell is 0, and
// is left out.
type processFigures struct {
	cpuSeconds      float64
	residentBytes   float64
	openFiles       float64
	maxFiles        float64
	goroutines      int
	heapBytes       uint64
	runtimeBytes    uint64
	startedUnixTime float64
}

// started is when the process started, as nearly as it matters.
var started = time.Now()

func readProcess() processFigures {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(samples)
	f := processFigures{
		goroutines:      runtime.NumGoroutine(),
		heapBytes:       samples[0].Value.Uint64(),
		runtimeBytes:    samples[1].Value.Uint64(),
		startedUnixTime: float64(started.UnixMilli()) / 1000,
	}
	f.readSystem()
	return f
}

// write uses the names that all programs use.
func (f processFigures) write(p *page) {
	p.gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", f.startedUnixTime)
	if f.cpuSeconds > 0 {
		p.family("process_cpu_seconds_total", "counter", "Processor time used.")
		p.sample("process_cpu_seconds_total", f.cpuSeconds)
	}
	if f.residentBytes > 0 {
		p.gauge("process_resident_memory_bytes", "Resident memory.", f.residentBytes)
	}
	if f.openFiles > 0 {
		p.gauge("process_open_fds", "Open file descriptors.", f.openFiles)
		p.gauge("process_max_fds", "How many file descriptors may be open.", f.maxFiles)
	}
	p.gauge("go_goroutines", "Goroutines now.", float64(f.goroutines))
	p.gauge("go_memstats_heap_alloc_bytes", "Memory of objects on the heap.", float64(f.heapBytes))
	p.gauge("go_memstats_sys_bytes", "Memory taken from the system.", float64(f.runtimeBytes))
}
