package results

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

// WriteCSV writes every figure of every round, a line each.
func (r Run) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"group", "side", "round", "metric", "value"}); err != nil {
		return err
	}
	for _, o := range r.Outcomes {
		for n, round := range o.Rounds {
			for _, side := range o.Group.Sides {
				for _, metric := range slices.Sorted(maps.Keys(round[side.Name])) {
					value := strconv.FormatFloat(round[side.Name][metric], 'g', 6, 64)
					if err := out.Write([]string{o.Group.Name, side.Name, strconv.Itoa(n + 1), metric, value}); err != nil {
						return err
					}
				}
			}
		}
	}
	out.Flush()
	return out.Error()
}

// ReadCSV returns what WriteCSV wrote of these groups. A group that it has nothing
// of has no outcome, and what it has of others is left out: the suite has changed
// since.
func ReadCSV(r io.Reader, groups []suite.Group) ([]suite.Outcome, error) {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, errors.New("the file of rounds is empty")
	}
	rounds := map[string][]map[string]suite.Result{}
	for _, record := range records[1:] {
		if rounds[record[0]], err = addFigure(rounds[record[0]], record); err != nil {
			return nil, err
		}
	}
	var all []suite.Outcome
	for _, g := range groups {
		if len(rounds[g.Name]) > 0 {
			all = append(all, suite.Outcome{Group: g, Rounds: rounds[g.Name]})
		}
	}
	return all, nil
}

// addFigure adds a line of the file to the rounds of its group.
func addFigure(rounds []map[string]suite.Result, record []string) ([]map[string]suite.Result, error) {
	side, metric := record[1], record[3]
	n, err := strconv.Atoi(record[2])
	if err != nil || n < 1 || n > len(rounds)+1 {
		return nil, fmt.Errorf("%q of %s, %s is no round", record[2], record[0], side)
	}
	value, err := strconv.ParseFloat(record[4], 64)
	if err != nil {
		return nil, err
	}
	if n > len(rounds) {
		rounds = append(rounds, map[string]suite.Result{})
	}
	round := rounds[n-1]
	if round[side] == nil {
		round[side] = suite.Result{}
	}
	round[side][metric] = value
	return rounds, nil
}
