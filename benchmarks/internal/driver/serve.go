package driver

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
)

// Serve says that it is ready, reads how many jobs to run and calls next for each, which
// returns when the job has begun. When there are no more it calls finish.
func Serve(in io.Reader, out io.Writer, next func(), finish func() (Report, error)) error {
	if _, err := io.WriteString(out, readyLine); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		for range n {
			next()
		}
		if _, err := fmt.Fprintln(out, "taken"); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	report, err := finish()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, lastLine, report.Ran, report.Most, report.Counted)
	return err
}
