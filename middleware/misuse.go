package middleware

import (
	"fmt"

	"github.com/berth-go/berth/pool"
)

// misuse is what a constructor returns for arguments that make no sense: see
// "Misuse" in the package's documentation.
func misuse(format string, args ...any) pool.Middleware {
	return pool.Invalid(fmt.Errorf("middleware: "+format, args...))
}
