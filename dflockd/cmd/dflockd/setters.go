package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func text(field func(*settings) *string) setter {
	return func(s *settings, v string, _ source) error {
		if v == "" {
			return errors.New("is empty")
		}
		*field(s) = v
		return nil
	}
}

func number(field func(*settings) *int, low, high int) setter {
	return func(s *settings, v string, _ source) error {
		n, err := digits(v)
		if err != nil || n < int64(low) || n > int64(high) {
			return fmt.Errorf("%q is not a number from %d to %d", v, low, high)
		}
		*field(s) = int(n)
		return nil
	}
}

// maxSeconds keeps what is added to it far from wrapping: 31 years.
const maxSeconds = 1_000_000_000

func duration(field func(*settings) *time.Duration, low int64) setter {
	return func(s *settings, v string, _ source) (err error) {
		*field(s), err = seconds(v, low)
		return err
	}
}

// given is a duration of which the server knows best what it is if it is not
// given.
func given(field func(*settings) **time.Duration) setter {
	return func(s *settings, v string, _ source) error {
		d, err := seconds(v, 0)
		*field(s) = &d
		return err
	}
}

func seconds(v string, low int64) (time.Duration, error) {
	n, err := digits(v)
	if err != nil || n < low || n > maxSeconds {
		return 0, fmt.Errorf("%q is not a whole number of seconds from %d to %d", v, low, maxSeconds)
	}
	return time.Duration(n) * time.Second, nil
}

// digits reads a decimal number without a sign.
func digits(v string) (int64, error) {
	n, err := strconv.ParseUint(v, 10, 63)
	return int64(n), err
}

// fileMode takes the permissions of the Unix socket.
func fileMode(s *settings, v string, _ source) error {
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q are no permissions of a file, such as 0660", v)
	}
	s.unixMode = uint32(n)
	return nil
}

// boolean sets its field to on if the value is true, else to the opposite.
func boolean(field func(*settings) *bool, on bool) setter {
	return func(s *settings, v string, _ source) error {
		switch strings.ToLower(v) {
		case "1", "yes", "true", "on":
			*field(s) = on
		case "0", "no", "false", "off":
			*field(s) = !on
		default:
			return fmt.Errorf("%q is neither true nor false (1 or 0, yes or no, on or off)", v)
		}
		return nil
	}
}
