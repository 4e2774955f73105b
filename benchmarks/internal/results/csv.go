package results

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
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
