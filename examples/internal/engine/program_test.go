package engine

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProgramThatEndsAtOnceIsAnErrorWithItsLastWords(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	p, err := startProgram("a thing", "look elsewhere", "sh", "-c", "echo first >&2; echo no luck >&2; exit 1")
	require.NoError(t, err)
	_, err = p.firstLine()
	require.EqualError(t, err, "start a thing: no luck (look elsewhere)")
	p, err = startProgram("a thing", "look elsewhere", "sh", "-c", "exit 0")
	require.NoError(t, err)
	_, err = p.firstLine()
	require.EqualError(t, err, "start a thing: it has ended without a word (look elsewhere)")
	_, err = startProgram("a thing", "look elsewhere", "/nowhere")
	require.ErrorContains(t, err, "start a thing: ")
	require.ErrorContains(t, err, "no such file")
}
