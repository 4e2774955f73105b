package redis

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

func TestHashSlotsAreThoseOfRedisCluster(t *testing.T) {
	// From the specification of Redis Cluster, and what CLUSTER KEYSLOT says.
	for tag, want := range map[string]uint16{"123456789": 0x31c3, "foo": 12182, "bar": 5061, "": 0} {
		require.Equal(t, want, hashSlot(tag), tag)
	}
}

// twoNodes is a cluster of two, each of which has half of the hash slots, behind one
// network in which each is a machine.
func (w *world) twoNodes() (*goredis.ClusterClient, func(key string) string) {
	other := newWorld(w.t)
	of := func(key string) string { return []string{"first", "second"}[int(hashSlot(key))*2/hashSlots] }
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]goredis.ClusterSlot, error) {
			return []goredis.ClusterSlot{
				{Start: 0, End: hashSlots/2 - 1, Nodes: []goredis.ClusterNode{{Addr: "127.0.0.1:1"}}},
				{Start: hashSlots / 2, End: hashSlots - 1, Nodes: []goredis.ClusterNode{{Addr: "127.0.0.1:2"}}},
			}, nil
		},
		Dialer: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if strings.HasSuffix(addr, ":1") {
				return w.net.Dial(ctx, "first")
			}
			return other.net.Dial(ctx, "second")
		},
	})
	w.t.Cleanup(func() { _ = client.Close() })
	return client, of
}

// One node of a cluster is frozen. What the others have goes on: claims, releases and
// renewals, with the client's own timeouts, which are longer than a lease.
func TestANodeThatHangsDoesNotHoldUpTheKeysOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		client, of := w.twoNodes()
		s, err := NewSource(client, slot.Keyed("", 1), WithLease(10*time.Second), WithTimeout(time.Second))
		require.NoError(t, err)
		var keys []string
		held := map[string]slot.Slot{}
		for i := range 64 {
			keys = append(keys, fmt.Sprint("k", i))
			held[keys[i]] = w.claim(s, keys[i])
		}
		synctest.Wait()
		w.net.Set("first", cut)
		for range 60 {
			time.Sleep(time.Second)
			for _, key := range keys[:16] {
				go func() { _, _ = s.Enqueue(t.Context(), "new:"+key) }()
			}
		}
		lost := map[string]int{}
		for key, got := range held {
			if got.Context().Err() != nil {
				lost[of(key)]++
			}
		}
		require.Zero(t, lost["second"])
		require.Positive(t, lost["first"])
		for _, key := range keys {
			if of(key) == "second" {
				require.NoError(t, held[key].Release())
			}
		}
		w.net.Set("first", connected)
		time.Sleep(time.Minute)
		_ = s.Close(context.Background())
	})
}

// Many lines at once: each renewal has to be under way long before its lease is over.
func TestManyLinesAreRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.net.Set("a", slow)
		s := w.source("a", slot.Keyed("", 1))
		slots := make(chan slot.Slot)
		const lines = 4 * longestBeats
		for i := range lines {
			go func() {
				ticket, err := s.Enqueue(t.Context(), fmt.Sprint(i))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := ticket.Wait(t.Context())
				if err != nil {
					t.Error(err)
				}
				slots <- got
			}()
		}
		var all []slot.Slot
		for range lines {
			all = append(all, <-slots)
		}
		time.Sleep(3 * w.lease)
		for _, got := range all {
			require.NoError(t, context.Cause(got.Context()))
		}
	})
}
