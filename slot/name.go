package slot

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// MaxName is how many bytes the name of a holder has at most.
const MaxName = 64

// DefaultName is what a source calls itself to those who look unless it is told
// otherwise: the host and the process id, such as "web3:4711". An engine's option
// for another name is called WithName. See [Inspector].
func DefaultName() string { return thisProcess() }

var thisProcess = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return processName(host, os.Getpid())
})

// processName cuts a host that is too long, and the process id never.
func processName(host string, pid int) string {
	end := fmt.Sprintf(":%d", pid)
	host = strings.Map(printable, host)
	if room := MaxName - len(end); len(host) > room {
		host = strings.ToValidUTF8(host[:room], "")
	}
	return host + end
}

// printable replaces what may not be in a name.
func printable(r rune) rune {
	if r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) {
		return '_'
	}
	return r
}

// CheckName returns what makes name no name of a holder: it has 1 to MaxName
// bytes, which are printable characters and no spaces. The options WithName of
// engines call it.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > MaxName:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), MaxName)
	case !utf8.ValidString(name), strings.Map(printable, name) != name:
		return fmt.Errorf("the name %q has a space or what cannot be printed", name)
	}
	return nil
}
