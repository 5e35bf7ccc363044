package s3

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"grange/internal/index"
	"grange/internal/store"
)

// retentionRequest is the document of PutObjectRetention; without anything in it the retention is taken away.
type retentionRequest struct {
	XMLName xml.Name `xml:"Retention"`
	Mode    string   `xml:"Mode"`
	Until   string   `xml:"RetainUntilDate"`
}

// legalHoldRequest is the document of PutObjectLegalHold.
type legalHoldRequest struct {
	XMLName xml.Name `xml:"LegalHold"`
	Status  string   `xml:"Status"`
}

func putObjectRetention(c *call) error {
	version, err := c.versionParam()
	if err != nil {
		return err
	}
	var request retentionRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return err
	}
	o := store.RetentionOptions{Key: c.object, VersionID: version, Bypass: c.bypasses(c.object)}
	if o.Mode, o.Until, err = c.retention(&request); err != nil {
		return err
	}
	v, err := c.server.backend.SetRetention(c.ctx, c.bucket, o)
	return c.amended(version, &v, err, http.StatusOK)
}

func (c *call) retention(r *retentionRequest) (index.LockMode, time.Time, error) {
	if r.Mode == "" && r.Until == "" {
		return index.NoRetention, time.Time{}, nil
	}
	mode, ok := lockModes[r.Mode]
	until, err := time.Parse(time.RFC3339, strings.TrimSpace(r.Until))
	if !ok || err != nil {
		return 0, time.Time{}, fail(MalformedXML).because(err)
	}
	return mode, until, c.checkUntil(until)
}

func getObjectRetention(c *call) error {
	lock, err := c.openLock()
	if err != nil {
		return err
	}
	if lock.Mode == index.NoRetention {
		return fail(NoSuchObjectLockConfiguration)
	}
	d := newDocument("Retention")
	d.text("Mode", lockModeName(lock.Mode))
	d.text("RetainUntilDate", lock.Until.UTC().Format(lockTime))
	d.close("Retention")
	return c.send(d)
}

func putObjectLegalHold(c *call) error {
	version, err := c.versionParam()
	if err != nil {
		return err
	}
	var request legalHoldRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return err
	}
	if request.Status != "ON" && request.Status != "OFF" {
		return fail(MalformedXML)
	}
	v, err := c.server.backend.SetLegalHold(c.ctx, c.bucket, c.object, version, request.Status == "ON")
	return c.amended(version, &v, err, http.StatusOK)
}

func getObjectLegalHold(c *call) error {
	lock, err := c.openLock()
	if err != nil {
		return err
	}
	if lock.Hold == index.HoldUnset {
		return fail(NoSuchObjectLockConfiguration)
	}
	d := newDocument("LegalHold")
	d.text("Status", holdStatus(lock.Hold))
	d.close("LegalHold")
	return c.send(d)
}

// openLock looks the lock of the version up that the request names. That the bucket has none comes first, as on AWS.
func (c *call) openLock() (index.Lock, error) {
	rules, err := c.server.backend.Rules(c.ctx, c.bucket)
	if err != nil {
		return index.Lock{}, err
	}
	if !rules.Lock.Enabled {
		return index.Lock{}, store.ErrNoObjectLock
	}
	o, err := c.openObject()
	if err != nil {
		return index.Lock{}, err
	}
	defer o.Close()
	c.setVersion(&o.Version)
	return o.Lock, nil
}
