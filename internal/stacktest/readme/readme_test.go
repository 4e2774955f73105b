package readme_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/internal/stacktest/readme"
)

func TestAReadmeWithoutTheLinesOfAnEngineIsNoticed(t *testing.T) {
	_, err := readme.Program("# berth\n```\ngo test work\n```\n")
	require.ErrorContains(t, err, "no program")
	program, err := readme.Program("```go\npackage main\n\nfunc main() {}\n```\n")
	require.NoError(t, err)
	_, err = readme.On(program, readme.Engine{})
	require.ErrorContains(t, err, "as this test expects")
}

func TestTheReadmesProgramRunsOnSlotsOfItsOwnProcess(t *testing.T) {
	readme.Run(t, readme.BuildOn(t, "../../..", readme.Engine{Source: `slot.NewLocalLimits(slot.Keyed("report:", 2)), error(nil)`}))
}
