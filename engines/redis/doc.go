// Package redis is a source of slots that Redis keeps.
package redis
