package store

import (
	"testing"
	"time"
)

// TestLockClockDoesNotFollowAClockThatIsSetForward: a wall clock that jumps while the node runs must not end a lock early.
func TestLockClockDoesNotFollowAClockThatIsSetForward(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		elapsed, wall, want time.Duration
	}{
		"a clock that is right":                   {time.Hour, time.Hour, time.Hour},
		"a clock that is corrected a little":      {time.Hour, time.Hour + 10*time.Minute, time.Hour + 10*time.Minute},
		"a clock that is set a year forward":      {time.Hour, 8760 * time.Hour, time.Hour + lockClockAhead},
		"a clock that is set back":                {time.Hour, -time.Hour, -time.Hour},
		"a clock that jumps at once":              {0, 8760 * time.Hour, lockClockAhead},
		"time that passed while the node slept":   {time.Hour, 9 * time.Hour, time.Hour + lockClockAhead},
		"a clock that was set forward long since": {10000 * time.Hour, 10000 * time.Hour, 10000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			wall, elapsed := start, start
			clock := heldBack(func() time.Time { return wall }, func() time.Time { return elapsed })
			wall, elapsed = start.Add(c.wall), start.Add(c.elapsed)
			if got := clock().Sub(start); got != c.want {
				t.Errorf("got %v after the start, want %v", got, c.want)
			}
		})
	}
}
