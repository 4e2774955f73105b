package dflockd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/berth-go/berth/slot"
)

// holderEnv has this test binary hold slots at the address it names, see
// TestMain, until its standard input ends.
const holderEnv = "BERTH_TEST_HOLDER"

// holdSlots claims eight slots, says so, and says for each line that it is sent
// how many it has lost so far.
func holdSlots(address string) int {
	src, err := NewSource(slot.Fixed("k", 8), WithServers(address), WithLease(33*time.Second), WithRenewRatio(0.02))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer src.Close(context.Background())
	var slots []slot.Slot
	for range 8 {
		s, _, err := slot.Try(context.Background(), src, "")
		if err != nil || s == nil {
			fmt.Println("not granted:", err)
			return 1
		}
		slots = append(slots, s)
	}
	fmt.Println("held")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		lost := []string{}
		for _, s := range slots {
			if err := context.Cause(s.Context()); err != nil {
				lost = append(lost, err.Error())
			}
		}
		fmt.Println("lost", len(lost), strings.Join(lost, "; "))
	}
	return 0
}
