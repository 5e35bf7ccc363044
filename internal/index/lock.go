package index

import (
	"time"

	"google.golang.org/protobuf/proto"

	"grange/internal/index/indexpb"
)

// LockMode is how strict a retention is (S3: "Locking objects with Object Lock", retention modes).
type LockMode uint8

const (
	// NoRetention does not keep a version.
	NoRetention LockMode = iota
	// Governance keeps a version until its time, unless a client with the permission for it bypasses it.
	Governance
	// Compliance keeps a version until its time. Nobody can take it back or shorten it.
	Compliance
)

// Hold is a legal hold: it keeps a version until it is taken off.
type Hold uint8

const (
	// HoldUnset was never said. It holds nothing.
	HoldUnset Hold = iota
	// HoldOff was taken off.
	HoldOff
	// HoldOn keeps the version.
	HoldOn
)

// Lock is what keeps one version from being deleted. The zero Lock keeps nothing.
type Lock struct {
	Mode  LockMode
	Until time.Time // zero exactly with NoRetention; in milliseconds
	Hold  Hold
}

// Limits of a default retention: S3 keeps for at most 100 years.
const (
	LockDaysMax  = 36500
	LockYearsMax = 100
)

// LockRule is a bucket's Object Lock: whether its versions can be locked, and the retention that new versions get of themselves.
type LockRule struct {
	Enabled bool
	// Mode, with either Days or Years (by the calendar, from Version.Modified), is the default retention; NoRetention, without both: none.
	Mode  LockMode
	Days  int
	Years int
}

// BucketRules are what the group itself knows of a bucket and decides by.
type BucketRules struct {
	Versioning Versioning
	Lock       LockRule
}

// locked decides whether a version may not be deleted at the time now. A command that does not tell the time finds every retention in force.
func locked(l *indexpb.Lock, now int64, bypass bool) bool {
	if Hold(l.GetHold()) == HoldOn {
		return true
	}
	return retained(l, now) && (LockMode(l.GetMode()) != Governance || !bypass)
}

// retained tells whether a retention is in force.
func retained(l *indexpb.Lock, now int64) bool {
	return LockMode(l.GetMode()) != NoRetention && now < l.GetUntil()
}

// soundLock checks the lock of a command; nil is none.
func soundLock(l *indexpb.Lock) bool {
	return soundRetention(l.GetMode(), l.GetUntil()) && l.GetHold() <= uint32(HoldOn)
}

func soundRetention(mode uint32, until int64) bool {
	return mode <= uint32(Compliance) && (mode == uint32(NoRetention)) == (until == 0) && until >= 0
}

// admitLock tells whether a version with the lock can be in the bucket.
func (c *change) admitLock(l *indexpb.Lock) Code {
	switch {
	case !soundLock(l):
		return Invalid
	case l != nil && !c.state.lock.Enabled:
		return NoObjectLock
	default:
		return OK
	}
}

// defaultLock gives a new version the retention of its bucket, unless it brings one.
func (c *change) defaultLock(rec *indexpb.Record) {
	rule := c.state.lock
	if rule.Mode == NoRetention || rec.GetLock().GetMode() != uint32(NoRetention) {
		return
	}
	rec.Lock = &indexpb.Lock{
		Mode:  uint32(rule.Mode),
		Until: time.UnixMilli(rec.GetModified()).UTC().AddDate(rule.Years, 0, rule.Days).UnixMilli(),
		Hold:  rec.GetLock().GetHold(),
	}
}

// setLockRule gives the bucket Object Lock, which it then has for ever: its versions may be locked, and must not lose their history.
func (c *change) setLockRule(p *indexpb.SetLockRule) (*indexpb.Result, error) {
	rule := lockRuleFromPB(p.GetRule())
	if !soundRule(rule) {
		return refuse(Invalid), nil
	}
	if p.GetFresh() {
		switch {
		case c.state.lock.Enabled:
			return accept(), nil // it is a repetition
		case c.state.seq > 0 || c.state.versioning != Unversioned:
			return refuse(StateConflict), nil
		}
		c.state.versioning = Enabled
	}
	if c.state.versioning != Enabled {
		return refuse(StateConflict), nil
	}
	c.state.lock = rule
	return accept(), nil
}

func soundRule(r LockRule) bool {
	if r.Mode == NoRetention {
		return r.Days == 0 && r.Years == 0
	}
	return r.Mode <= Compliance && (r.Days == 0) != (r.Years == 0) && r.Days <= LockDaysMax && r.Years <= LockYearsMax
}

func (c *change) setRetention(p *indexpb.SetRetention) (*indexpb.Result, error) {
	if !soundRetention(p.GetMode(), p.GetUntil()) {
		return refuse(Invalid), nil
	}
	if !c.state.lock.Enabled {
		return refuse(NoObjectLock), nil
	}
	return c.amend(p.GetKey(), p.VersionId, func(rec *indexpb.Record) (Code, error) {
		if weakens(rec.GetLock(), p) {
			return Locked, nil
		}
		setLock(rec, &indexpb.Lock{Mode: p.GetMode(), Until: p.GetUntil(), Hold: rec.GetLock().GetHold()})
		return OK, nil
	})
}

// weakens tells whether a new retention takes something back that it may not: under Compliance anything but a later time, and under
// Governance the same unless it is bypassed. Another mode counts as taking the old one back (as AWS has it, also for a stricter one).
func weakens(old *indexpb.Lock, p *indexpb.SetRetention) bool {
	switch {
	case !retained(old, p.GetNow()):
		return false
	case p.GetMode() == old.GetMode() && p.GetUntil() >= old.GetUntil():
		return false
	default:
		return LockMode(old.GetMode()) != Governance || !p.GetBypass()
	}
}

func (c *change) setHold(p *indexpb.SetHold) (*indexpb.Result, error) {
	if !c.state.lock.Enabled {
		return refuse(NoObjectLock), nil
	}
	return c.amend(p.GetKey(), p.VersionId, func(rec *indexpb.Record) (Code, error) {
		hold := HoldOff
		if p.GetOn() {
			hold = HoldOn
		}
		setLock(rec, &indexpb.Lock{Mode: rec.GetLock().GetMode(), Until: rec.GetLock().GetUntil(), Hold: uint32(hold)})
		return OK, nil
	})
}

// setLock leaves a lock that says nothing out of the record.
func setLock(rec *indexpb.Record, l *indexpb.Lock) {
	if proto.Size(l) == 0 {
		l = nil
	}
	rec.Lock = l
}
