package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Unordered output:
	// upstairs prints page 1
	// downstairs prints page 1
	// upstairs prints page 2
	// downstairs prints page 2
	// upstairs prints page 3
	// downstairs prints page 3
}
