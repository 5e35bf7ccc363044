package store

import "time"

// lockClockAhead is by how much the wall clock may run ahead of what has passed since the store was made before locks do not believe it:
// as much as S3 lets the clock of a client differ.
const lockClockAhead = 15 * time.Minute

// heldBack is a clock that does not follow a wall clock that is set forward. What has passed since its first look is measured by
// elapsed, whose times carry a monotonic reading.
func heldBack(wall, elapsed Clock) Clock {
	began, since := wall(), elapsed()
	return func() time.Time {
		now := wall()
		if most := began.Add(elapsed().Sub(since) + lockClockAhead); now.After(most) {
			return most
		}
		return now
	}
}
