package wire

import (
	"bytes"
	"strconv"
)

// What a client says of itself after the version of its hello: words, each a name
// or name=value. A server ignores names that it does not know.
//
//	hello
//	_
//	1 servers=0/3 limits fields name=web3:4711

// MaxServers is how many servers a list may have.
const MaxServers = 1 << 20

// A ServerList says where a client has a server in the list of those that share
// its keys: the server of a key follows from the order of the list.
type ServerList struct {
	Index int64 // from 0
	Count int64 // 0: the client has not said
}

// None reports whether nothing is said.
func (l ServerList) None() bool { return l == ServerList{} }

func (l ServerList) valid() bool {
	return l.None() || l.Index >= 0 && l.Index < l.Count && l.Count <= MaxServers
}

// String returns the value of the capability.
func (l ServerList) String() string {
	return strconv.FormatInt(l.Index, 10) + "/" + strconv.FormatInt(l.Count, 10)
}

// The names of the words.
const (
	listCapability   = "servers" // with a value
	limitsCapability = "limits"
	fieldsCapability = "fields"
	nameCapability   = "name" // with a value
)

// MaxName is how many bytes the name of a client has at most.
const MaxName = 64

// appendCapabilities appends each word with a space in front.
func (r *Request) appendCapabilities(dst []byte) []byte {
	if !r.List.None() {
		dst = append(dst, " "+listCapability+"="...)
		dst = append(dst, r.List.String()...)
	}
	if r.OwnLimits {
		dst = append(dst, " "+limitsCapability...)
	}
	if r.Fields {
		dst = append(dst, " "+fieldsCapability...)
	}
	if r.Name != "" {
		dst = append(dst, " "+nameCapability+"="...)
		dst = append(dst, r.Name...)
	}
	return dst
}

func (r *Request) parseCapabilities(arg []byte) error {
	for {
		var word []byte
		if word, arg = cutWord(arg); len(word) == 0 {
			return nil
		}
		name, value, _ := bytes.Cut(word, []byte("="))
		switch string(name) {
		case listCapability:
			if !r.List.parse(value) {
				return &FieldError{"list of servers", "is no INDEX/COUNT"}
			}
		case limitsCapability:
			r.OwnLimits = true
		case fieldsCapability:
			r.Fields = true
		case nameCapability:
			if err := checkName(value); err != nil {
				return err
			}
			r.Name = string(value)
		}
	}
}

// checkName returns what makes name no name of a client.
func checkName[T string | []byte](name T) error {
	if reason := checkWord(name, MaxName); reason != "" {
		return &FieldError{"name", reason}
	}
	return nil
}

// parse reads INDEX/COUNT.
func (l *ServerList) parse(value []byte) bool {
	index, count, _ := bytes.Cut(value, []byte("/"))
	i, ok := parseNumber(index, MaxServers)
	n, more := parseNumber(count, MaxServers)
	*l = ServerList{i, n}
	return ok && more && !l.None() && l.valid()
}
