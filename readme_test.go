package berth_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/readme"
)

// The program in the README is the Example that is run as a test.
func TestTheReadmeShowsTheExampleThatIsTested(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	example, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	program, err := readme.Program(string(text))
	require.NoError(t, err)
	require.Equal(t, asProgram(string(example)), program,
		"copy the example into the README: package main, func main, without its output")
}

// asProgram turns the example into the program that the README shows.
func asProgram(example string) string {
	program, _, _ := strings.Cut(example, "	// Output:")
	program = strings.Replace(program, "package berth_test", "package main", 1)
	return strings.Replace(program, "func Example()", "func main()", 1) + "}\n"
}
