package errs

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

var errFire = errors.New("there is a fire")

func TestWordsReplaceThoseOfTheCausesWhichAreFoundAllTheSame(t *testing.T) {
	err := InWords("nobody is there", errFire, slot.ErrUnavailable)
	require.EqualError(t, err, "nobody is there")
	require.ErrorIs(t, err, errFire)
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.False(t, slot.IsPermanent(err))
}

func TestALossAndAnOutageAreSaidOnce(t *testing.T) {
	lost := Lost(errFire)
	require.EqualError(t, lost, "slot lost: there is a fire")
	require.ErrorIs(t, lost, slot.ErrLost)
	require.ErrorIs(t, lost, errFire)
	require.Same(t, lost, Lost(lost))

	away := Unavailable(errFire)
	require.EqualError(t, away, "there is a fire")
	require.ErrorIs(t, away, slot.ErrUnavailable)
	require.ErrorIs(t, away, errFire)
	require.Same(t, away, Unavailable(away))
	require.Same(t, slot.ErrUnavailable, Unavailable(slot.ErrUnavailable))
}

func TestWhatWaitingCannotCureSaysSoWhereverItIs(t *testing.T) {
	err := Permanently(errFire)
	require.EqualError(t, err, "there is a fire")
	require.ErrorIs(t, err, errFire)
	require.True(t, slot.IsPermanent(err))
	require.True(t, slot.IsPermanent(Unavailable(err)))
	require.True(t, slot.IsPermanent(errors.Join(errFire, Lost(err))))
}
