package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"time"

	"grange/internal/access"
	"grange/internal/index"
	"grange/internal/store"
)

// Headers of Object Lock (S3: "Locking objects with Object Lock").
const (
	lockEnabledHeader = "x-amz-bucket-object-lock-enabled"
	lockModeHeader    = "x-amz-object-lock-mode"
	retainUntilHeader = "x-amz-object-lock-retain-until-date"
	legalHoldHeader   = "x-amz-object-lock-legal-hold"
	bypassHeader      = "x-amz-bypass-governance-retention"
)

// lockTime is how the end of a retention is shown.
const lockTime = "2006-01-02T15:04:05.000Z"

var lockModes = map[string]index.LockMode{"GOVERNANCE": index.Governance, "COMPLIANCE": index.Compliance}

func lockModeName(m index.LockMode) string {
	for name, mode := range lockModes {
		if mode == m {
			return name
		}
	}
	return ""
}

// newLock reads the lock that a write asks for, and asks for the permissions that it takes.
func (c *call) newLock() (l index.Lock, err error) {
	if l.Mode, l.Until, err = c.retentionHeaders(); err != nil {
		return l, err
	}
	switch text := c.r.Header.Get(legalHoldHeader); text {
	case "":
	case "ON":
		l.Hold = index.HoldOn
	case "OFF":
		l.Hold = index.HoldOff
	default:
		return l, invalidArgument(legalHoldHeader, text, "Legal Hold must be either of 'ON' or 'OFF'")
	}
	if l.Mode != index.NoRetention {
		if err := c.allowed(access.PutObjectRetention, c.bucket, c.object); err != nil {
			return l, err
		}
	}
	if l.Hold != index.HoldUnset {
		err = c.allowed(access.PutObjectLegalHold, c.bucket, c.object)
	}
	return l, err
}

func (c *call) retentionHeaders() (index.LockMode, time.Time, error) {
	name, date := c.r.Header.Get(lockModeHeader), c.r.Header.Get(retainUntilHeader)
	if name == "" && date == "" {
		return index.NoRetention, time.Time{}, nil
	}
	if name == "" || date == "" {
		return 0, time.Time{}, invalidArgument(lockModeHeader, name, "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	}
	mode, ok := lockModes[name]
	if !ok {
		return 0, time.Time{}, invalidArgument(lockModeHeader, name, "Unknown wormMode directive.")
	}
	until, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return 0, time.Time{}, invalidArgument(retainUntilHeader, date, "The retain until date must be provided in ISO 8601 format").because(err)
	}
	return mode, until, c.checkUntil(until)
}

// checkUntil holds the end of a retention against the clock: it is to come, and within the 100 years of S3.
func (c *call) checkUntil(until time.Time) error {
	now := c.server.now()
	switch text := until.UTC().Format(lockTime); {
	case !until.After(now):
		return invalidArgument(retainUntilHeader, text, "The retain until date must be in the future!")
	case until.After(now.AddDate(index.LockYearsMax, 0, 0)):
		return invalidArgument(retainUntilHeader, text, "The retain until date must not be more than 100 years away.")
	default:
		return nil
	}
}

// setLock shows a lock to those who may see it.
func (c *call) setLock(l index.Lock) {
	if l.Mode != index.NoRetention && c.allowed(access.GetObjectRetention, c.bucket, c.object) == nil {
		c.set(lockModeHeader, lockModeName(l.Mode))
		c.set(retainUntilHeader, l.Until.UTC().Format(lockTime))
	}
	if l.Hold != index.HoldUnset && c.allowed(access.GetObjectLegalHold, c.bucket, c.object) == nil {
		c.set(legalHoldHeader, holdStatus(l.Hold))
	}
}

func holdStatus(h index.Hold) string {
	if h == index.HoldOn {
		return "ON"
	}
	return "OFF"
}

// bypasses tells whether the client asks to pass over governance retention, and may do so with the key.
func (c *call) bypasses(key string) bool {
	return strings.EqualFold(c.r.Header.Get(bypassHeader), "true") && c.allowed(access.BypassGovernanceRetention, c.bucket, key) == nil
}

// lockAtCreation reads whether a new bucket is to have Object Lock.
func lockAtCreation(h http.Header) (bool, error) {
	switch text := h.Get(lockEnabledHeader); strings.ToLower(text) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, invalidArgument(lockEnabledHeader, text, "The value of x-amz-bucket-object-lock-enabled must be true or false.")
	}
}

// lockRequest is the document of PutObjectLockConfiguration.
type lockRequest struct {
	XMLName xml.Name `xml:"ObjectLockConfiguration"`
	Enabled string   `xml:"ObjectLockEnabled"`
	Rule    *struct {
		Default *struct {
			Mode  string `xml:"Mode"`
			Days  *int   `xml:"Days"`
			Years *int   `xml:"Years"`
		} `xml:"DefaultRetention"`
	} `xml:"Rule"`
}

func (r *lockRequest) rule() (rule index.LockRule, err error) {
	if r.Enabled != statusEnabled {
		return rule, fail(MalformedXML)
	}
	if r.Rule == nil {
		return rule, nil
	}
	d := r.Rule.Default
	if d == nil || (d.Days == nil) == (d.Years == nil) {
		return rule, fail(MalformedXML)
	}
	var ok bool
	if rule.Mode, ok = lockModes[d.Mode]; !ok {
		return rule, fail(MalformedXML)
	}
	if d.Days != nil {
		rule.Days = *d.Days
		return rule, checkPeriod(rule.Days, index.LockDaysMax)
	}
	rule.Years = *d.Years
	return rule, checkPeriod(rule.Years, index.LockYearsMax)
}

func checkPeriod(n, most int) error {
	switch {
	case n == 0:
		return invalidArgument("DefaultRetention", "0", "Default retention period must be a positive integer value.")
	case n < 0 || n > most:
		return fail(InvalidRetentionPeriod)
	default:
		return nil
	}
}

func putObjectLockConfiguration(c *call) error {
	var request lockRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return err
	}
	rule, err := request.rule()
	if err != nil {
		return err
	}
	err = c.server.backend.SetObjectLock(c.ctx, c.bucket, rule)
	if errors.Is(err, store.ErrBucketState) {
		return failf(InvalidBucketState, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration").because(err)
	}
	if err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func getObjectLockConfiguration(c *call) error {
	rules, err := c.server.backend.Rules(c.ctx, c.bucket)
	if err != nil {
		return err
	}
	lock := rules.Lock
	if !lock.Enabled {
		return fail(ObjectLockConfigurationNotFound)
	}
	d := newDocument("ObjectLockConfiguration")
	d.text("ObjectLockEnabled", statusEnabled)
	if lock.Mode != index.NoRetention {
		d.open("Rule")
		d.open("DefaultRetention")
		d.text("Mode", lockModeName(lock.Mode))
		if lock.Days > 0 {
			d.int("Days", int64(lock.Days))
		} else {
			d.int("Years", int64(lock.Years))
		}
		d.close("DefaultRetention")
		d.close("Rule")
	}
	d.close("ObjectLockConfiguration")
	return c.send(d)
}
