package cases

import (
	"strconv"

	"github.com/berth-go/berth/benchmarks/internal/driver"
	"github.com/berth-go/berth/benchmarks/internal/plain"
)

// official claims with the Semaphore of the official Go client.
func (e *Env) official() way {
	return way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
		program, err := e.officialDriver()
		if err != nil {
			return nil, nil, err
		}
		return r.startDriver(program, "-addr", d.Addr, "-ca", d.CAFile, "-secret", d.Secret, "-limit", strconv.Itoa(r.limit))
	}}
}

// startDriver has the jobs run in another process, which is told the load.
func (r *run) startDriver(program string, args ...string) (next func(), finish func() error, err error) {
	args = append(args, "-workers", strconv.Itoa(r.workers), "-keys", strconv.Itoa(r.keys), "-job", r.load.job.String())
	d, err := driver.Start(program, args...)
	if err != nil {
		return nil, nil, err
	}
	return d.Next, func() error {
		report, err := d.Finish()
		r.apart = &report
		return err
	}, nil
}
