package retryafter

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The three forms of a date that RFC 9110, section 5.6.7, tells a recipient to
// accept; the first is the one that is sent today.
var httpDates = []string{
	"Mon, 02 Jan 2006 15:04:05 GMT",
	rfc850,
	time.ANSIC,
}

const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

// Parse reads the value of a Retry-After header, see the documentation of
// middleware.ParseRetryAfter.
func Parse(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		s, _ := strconv.ParseUint(value, 10, 64) // an error leaves the greatest number there is
		return time.Duration(min(s, math.MaxInt64/uint64(time.Second))) * time.Second, true
	}
	for _, layout := range httpDates {
		t, err := time.Parse(layout, value)
		if err != nil {
			continue
		}
		if layout == rfc850 {
			t = inCentury(t, now)
		}
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// inCentury is t in the century that its two digits of the year stand for: a date
// more than 50 years ahead is one of the past (RFC 9110, section 5.6.7).
func inCentury(t, now time.Time) time.Time {
	ahead := t.Year() - now.UTC().Year()
	nearest := ((ahead+49)%100+100)%100 - 49 // from -49 to 50
	return t.AddDate(nearest-ahead, 0, 0)
}
