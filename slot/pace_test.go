package slot_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-go/berth/slot"
)

// clockless is a source of the slots of a limited one whose engine has no clock.
type clockless struct {
	slot.Source
	slots *slot.Local
}

func newClockless(n int) clockless {
	src := limited(n)
	return clockless{Source: keepsOpen{src}, slots: src}
}

// Turns returns a view of the same slots that maps a key as slot.Limits.Turns does.
func (c clockless) Turns(burst int) slot.Source { return turnsOf{c.slots, burst} }

type turnsOf struct {
	slots *slot.Local
	burst int
}

func (o turnsOf) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	return o.slots.Enqueue(ctx, fmt.Sprint(key, slot.TurnsSuffix, "/", o.burst))
}

func (turnsOf) Close(context.Context) error { return nil }

// paceable are sources of n slots for each key, each with another way to a pace.
var paceable = map[string]func(n int) slot.Source{
	"by the engine's clock": func(n int) slot.Source { return limited(n) },
	"by turns":              func(n int) slot.Source { return newClockless(n) },
	"by turns, as the engine's clock is not there after all": func(n int) slot.Source {
		return stopped{newClockless(n)}
	},
}

// stopped is a Pacer that has no clock when it comes to claiming.
type stopped struct{ clockless }

func (s stopped) AtPace(time.Duration, int) slot.Source { return refusing{} }

type refusing struct{}

func (refusing) Enqueue(context.Context, string) (slot.Ticket, error) {
	return nil, fmt.Errorf("an old server: %w", errors.ErrUnsupported)
}
func (refusing) Close(context.Context) error { return nil }

// A site counts what starts there.
type site struct {
	begun time.Time
	mu    sync.Mutex
	at    []time.Duration
}

func newSite() *site { return &site{begun: time.Now()} }

func (s *site) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.begun))
}

// most returns how many starts there were in any window of that length, which begins with
// a start and does not include its end.
func (s *site) most(window time.Duration) (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := 0
	for i := range s.at {
		for s.at[first] <= s.at[i]-window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// visit has n users do one job each under slots of src.
func (s *site) visit(t *testing.T, users *sync.WaitGroup, src slot.Source, n int, job func()) {
	for range n {
		users.Go(func() {
			require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error {
				s.start()
				job()
				return nil
			}))
		})
	}
}

func TestStartsComeAtTheRateAndTheLimit(t *testing.T) {
	for way, newSource := range paceable {
		for _, burst := range []int{1, 3} {
			t.Run(fmt.Sprint(way, ", burst ", burst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := slot.Pace(newSource(5), slot.PerSecond(10), burst)
					defer src.Close(context.Background())
					s := newSite()
					var users sync.WaitGroup
					s.visit(t, &users, src, 60, func() { time.Sleep(200 * time.Millisecond) })
					users.Wait()
					require.Len(t, s.at, 60)
					require.LessOrEqual(t, s.most(time.Second), 10+burst-1)
					require.LessOrEqual(t, s.most(100*time.Millisecond), burst)
					require.Equal(t, time.Duration(60-burst)*100*time.Millisecond, s.at[59], "no start is lost")
				})
			})
		}
	}
}

// All slots are held for three seconds. The starts that could not be are not made up for.
func TestNoStartIsMadeUpForAfterAStall(t *testing.T) {
	for way, newSource := range paceable {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.Pace(newSource(5), slot.PerSecond(10), 1)
				defer src.Close(context.Background())
				s := newSite()
				var users sync.WaitGroup
				s.visit(t, &users, src, 5, func() { time.Sleep(3 * time.Second) })
				time.Sleep(time.Second)
				s.visit(t, &users, src, 40, func() {})
				users.Wait()
				require.Len(t, s.at, 45)
				require.Equal(t, 1, s.most(100*time.Millisecond))
				require.LessOrEqual(t, s.at[5], 3*time.Second+100*time.Millisecond, "the first that may go does")
				require.Equal(t, 3900*time.Millisecond, s.at[44]-s.at[5], "and then one in each interval")
			})
		})
	}
}

func TestNothingStartsDuringAPauseAndNothingIsMadeUpForAfterIt(t *testing.T) {
	for way, newSource := range paceable {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := newSource(5)
				src := slot.Pace(engine, slot.PerSecond(10), 1)
				defer src.Close(context.Background())
				s := newSite()
				var users sync.WaitGroup
				s.visit(t, &users, src, 40, func() {})
				time.Sleep(time.Second + time.Millisecond)
				require.NoError(t, pause(src, engine, 5*time.Second))
				users.Wait()
				require.Equal(t, 1, s.most(100*time.Millisecond))
				for _, at := range s.at {
					// By turns, who had a slot before the pause may wait for his turn in it.
					if _, turns := engine.(slot.Turner); !turns {
						require.False(t, at > time.Second+time.Millisecond && at < 6*time.Second, "started at %v, in the pause", at)
					}
				}
			})
		})
	}
}

func pause(src, engine slot.Source, d time.Duration) error {
	if c, ok := engine.(interface{ controller() slot.Source }); ok {
		src = c.controller()
	}
	return slot.Pause(context.Background(), src, "k", d)
}

func (c clockless) controller() slot.Source { return c.slots }

func TestEachKeyCanHaveARateOfItsOwnOrNone(t *testing.T) {
	for way, newSource := range paceable {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.Pace(newSource(5), slot.RateBy(func(key string) (slot.Rate, error) {
					switch key {
					case "slow":
						return slot.Every(time.Second), nil
					case "fast":
						return slot.PerSecond(100), nil
					case "free":
						return slot.PerSecond(math.Inf(1)), nil
					case "wrong":
						return slot.Every(-1), nil
					}
					panic("no such key")
				}), 1)
				defer src.Close(context.Background())
				for key, took := range map[string]time.Duration{"slow": 3 * time.Second, "fast": 30 * time.Millisecond, "free": 0} {
					begun := time.Now()
					for range 4 {
						ticket, err := src.Enqueue(t.Context(), key)
						require.NoError(t, err)
						s, err := ticket.Wait(t.Context())
						require.NoError(t, err)
						require.Equal(t, key != "free", s.Info().SingleUse)
						require.Equal(t, 5, s.Info().Limit)
						require.NoError(t, s.Release())
					}
					require.Equal(t, took, time.Since(begun), key)
				}
				for _, key := range []string{"wrong", "other"} {
					_, err := src.Enqueue(t.Context(), key)
					require.True(t, slot.IsPermanent(err), "%v", err)
					require.ErrorContains(t, err, key)
				}
			})
		})
	}
}

func TestASlotThatCameTooLateForItsStartIsGivenBack(t *testing.T) {
	for way, newSource := range paceable {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := slot.Pace(newSource(5), slot.PerSecond(10), 1)
				defer src.Close(context.Background())
				s := take(t, src, "k")
				require.Equal(t, s.Info().GrantedAt.Add(50*time.Millisecond), s.Info().StartBy)
				time.Sleep(50 * time.Millisecond)
				require.False(t, slot.Late(s))
				time.Sleep(time.Millisecond)
				require.True(t, slot.Late(s))
				require.NoError(t, s.Release())

				// One that was granted long before somebody asks for it is late at once.
				if strings.HasPrefix(way, "by the") {
					ticket := queue(t, src, "k")
					time.Sleep(time.Second)
					late, err := ticket.Wait(t.Context())
					require.NoError(t, err)
					require.True(t, slot.Late(late))
				}
			})
		})
	}
}

func TestDoStartsNothingUnderASlotThatCameTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &slow{Source: slot.Pace(limited(5), slot.PerSecond(10), 1), delays: 2}
		begun := time.Now()
		require.NoError(t, slot.Do(t.Context(), src, "k", func(context.Context) error {
			require.Equal(t, 3, src.claims)
			require.Equal(t, 180*time.Millisecond+20*time.Millisecond, time.Since(begun))
			return nil
		}))
	})
}

// slow is a source whose first grants take 90 ms to arrive.
type slow struct {
	slot.Source
	claims, delays int
}

func (s *slow) Enqueue(ctx context.Context, key string) (slot.Ticket, error) {
	t, err := s.Source.Enqueue(ctx, key)
	if s.claims++; s.claims <= s.delays {
		time.Sleep(90 * time.Millisecond)
	}
	return t, err
}

func TestAPaceThatCannotBeOneRefusesEveryClaim(t *testing.T) {
	for what, src := range map[string]slot.Source{
		"no source":             slot.Pace(nil, slot.PerSecond(1), 1),
		"a bad source":          slot.Pace(slot.NewLocal(0), slot.PerSecond(1), 1),
		"no rate":               slot.Pace(slot.NewLocal(1), slot.Rate{}, 1),
		"a rate of 0":           slot.Pace(slot.NewLocal(1), slot.PerSecond(0), 1),
		"a rate below 0":        slot.Pace(slot.NewLocal(1), slot.PerSecond(-1), 1),
		"no number":             slot.Pace(slot.NewLocal(1), slot.PerSecond(math.NaN()), 1),
		"a rate without bound":  slot.Pace(slot.NewLocal(1), slot.PerSecond(math.Inf(1)), 1),
		"one grant in two days": slot.Pace(slot.NewLocal(1), slot.Every(48*time.Hour), 1),
		"a rate next to none":   slot.Pace(slot.NewLocal(1), slot.PerSecond(1e-300), 1),
		"no function":           slot.Pace(slot.NewLocal(1), slot.RateBy(nil), 1),
		"no burst":              slot.Pace(slot.NewLocal(1), slot.PerSecond(1), 0),
		"too large a burst":     slot.Pace(slot.NewLocal(1), slot.PerSecond(1), 10_001),
		"an engine without":     slot.Pace(keepsOpen{slot.NewLocal(1)}, slot.PerSecond(1), 1),
	} {
		t.Run(what, func(t *testing.T) { refusesEverything(t, src) })
	}
}

func TestTheFunctionOfARateEndsNothingButItsClaim(t *testing.T) {
	refusal := errors.New("the table is gone")
	src := slot.Pace(slot.NewLocal(1), slot.RateBy(func(string) (slot.Rate, error) { return slot.Rate{}, refusal }), 1)
	_, err := src.Enqueue(t.Context(), "k")
	require.ErrorIs(t, err, refusal)
	require.True(t, slot.IsPermanent(err))
	away := slot.Pace(slot.NewLocal(1), slot.RateBy(func(string) (slot.Rate, error) { return slot.Rate{}, slot.ErrUnavailable }), 1)
	_, err = away.Enqueue(t.Context(), "k")
	require.ErrorIs(t, err, slot.ErrUnavailable)
	require.False(t, slot.IsPermanent(err))
}

func ExamplePace() {
	ctx := context.Background()
	// Five at once, and one start in each 10 ms.
	src := slot.Pace(slot.NewLocalKeyed(5), slot.Every(10*time.Millisecond), 1)
	defer src.Close(ctx)

	begin := time.Now()
	for range 4 {
		_ = slot.Do(ctx, src, "example.com", func(context.Context) error { return nil })
	}
	fmt.Println("four starts took 30 ms or more:", time.Since(begin) >= 30*time.Millisecond)
	// Output: four starts took 30 ms or more: true
}

func ExampleRateBy() {
	delays := map[string]time.Duration{"example.com": 2 * time.Second} // what its robots.txt asks for
	rate := slot.RateBy(func(site string) (slot.Rate, error) { return slot.Every(delays[site]), nil })
	src := slot.Pace(slot.NewLocalKeyed(5), rate, 1)
	defer src.Close(context.Background())
	fmt.Println(slot.Check(src))
	// Output: <nil>
}
