package slot

// A Partitioner is a Source whose engine has several parts, such as servers that
// share the keys, each of which can be away while the others are not. [Fallback]
// counts the outages of each.
type Partitioner interface {
	// Partition names the part that serves key. It does not block, and the same
	// key always gets the same name.
	Partition(key string) (id string)
}

// partitionOf returns the name of the part of src that serves key: always the
// same one if src has no parts.
func partitionOf(src Source, key string) string {
	if p, ok := src.(Partitioner); ok {
		return p.Partition(key)
	}
	return ""
}
