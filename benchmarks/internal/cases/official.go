package cases

import (
	"strconv"

	"github.com/berth-go/berth/benchmarks/internal/official"
	"github.com/berth-go/berth/benchmarks/internal/plain"
)

// official claims with the Semaphore of the official Go client, in a process of
// its own.
func (e *Env) official() way {
	return way{start: func(d plain.Dialer, r *run) (func(), func() error, error) {
		program, err := e.driver()
		if err != nil {
			return nil, nil, err
		}
		driver, err := official.Start(program,
			"-addr", d.Addr, "-ca", d.CAFile, "-secret", d.Secret,
			"-workers", strconv.Itoa(r.workers), "-keys", strconv.Itoa(r.keys), "-limit", strconv.Itoa(r.limit), "-job", r.load.job.String())
		if err != nil {
			return nil, nil, err
		}
		return driver.Next, func() error {
			ran, most, err := driver.Finish()
			r.apart = &apart{ran, most}
			return err
		}, nil
	}}
}
