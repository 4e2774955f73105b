package cases

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/benchmarks/internal/suite"
)

func TestUseOfSlotsIsMeasured(t *testing.T) {
	u := same(2, 4, 6, 10*time.Millisecond, 2000)
	u.parties = append(u.parties, party{4, 0, 3}) // in the way
	result, err := suite.Side{Name: "side", Once: true, Run: testEnv(t).use(u)}.Measure(t.Context(), 0)
	require.NoError(t, err)
	for _, metric := range []string{ofPossible, perJobAsks, worstWait} {
		require.Positive(t, result[metric], metric)
	}
	require.Contains(t, result, idleSlots)
	require.Contains(t, result, unusedGot)
	require.LessOrEqual(t, result[idleSlots], 100.0)
}

func TestPoolsThatRunOutOfJobsAreNotMeasured(t *testing.T) {
	u := same(2, 4, 2, time.Millisecond, 20)
	_, err := suite.Side{Name: "side", Once: true, Run: testEnv(t).use(u)}.Measure(t.Context(), 0)
	require.Error(t, err)
}

func TestWhatIsPossibleIsBoundByWorkersAndKeys(t *testing.T) {
	require.Equal(t, 6, same(2, 4, 6, 0, 0).possible())
	require.Equal(t, 8, same(2, 4, 60, 0, 0).possible())
	u := same(1, 4, 10, 0, 0)
	u.parties = append(u.parties, party{20, 0, 5})
	require.Equal(t, 4, u.possible(), "others are in the way, and not measured")
}

func TestAKeyThatIsNeverServedIsTheWorst(t *testing.T) {
	w := newKeyWaits(party{1, 2, 4})
	w.last[0] = time.Now().Add(-time.Minute)
	w.started(3)
	require.GreaterOrEqual(t, w.worst(), time.Minute)
	w.last[1] = time.Now().Add(-time.Hour)
	w.started(3)
	w.started(2)
	require.GreaterOrEqual(t, w.worst(), time.Hour, "also when it is served in the end")
}
