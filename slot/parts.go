package slot

import "reflect"

// composed is a source of this package that is made of others.
type composed interface{ inside() []Source }

// wrapper is a source of another package around one of those.
type wrapper interface{ Unwrap() Source }

// wrappers is one around several.
type wrappers interface{ Unwrap() []Source }

func insideOf(src Source) []Source {
	switch s := src.(type) {
	case composed:
		return s.inside()
	case wrapper:
		return []Source{s.Unwrap()}
	case wrappers:
		return s.Unwrap()
	}
	return nil
}

// repeats reports whether a source is found twice in a list, also inside others
// of it: as itself, in All, MinHold and Fallback, and where an Unwrap tells.
func repeats(list []Source) bool { return !distinct(list, make(map[Source]bool)) }

func distinct(list []Source, seen map[Source]bool) bool {
	for _, src := range list {
		if src == nil {
			continue
		}
		if reflect.ValueOf(src).Comparable() {
			if seen[src] {
				return false
			}
			seen[src] = true
		}
		if !distinct(insideOf(src), seen) {
			return false
		}
	}
	return true
}

// same reports whether two sources are one.
func same(a, b Source) bool { return reflect.ValueOf(a).Comparable() && a == b }
