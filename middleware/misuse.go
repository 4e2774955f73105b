package middleware

import (
	"fmt"
	"reflect"

	"github.com/berth-go/berth/pool"
)

// misuse is what a constructor returns for arguments that make no sense: see
// "Misuse" in the package's documentation.
func misuse(format string, args ...any) pool.Middleware {
	return pool.Invalid(fmt.Errorf("middleware: "+format, args...))
}

// isNil reports whether v is nil, or an interface around a nil pointer, which would
// panic when it is first used.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Interface:
		return r.IsNil()
	}
	return false
}
