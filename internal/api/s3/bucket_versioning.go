package s3

import (
	"encoding/xml"
	"errors"
	"net/http"

	"grange/internal/index"
	"grange/internal/store"
)

// versioningRequest is the document of PutBucketVersioning.
type versioningRequest struct {
	XMLName   xml.Name `xml:"VersioningConfiguration"`
	Status    string   `xml:"Status"`
	MFADelete string   `xml:"MfaDelete"`
}

const (
	statusEnabled   = "Enabled"
	statusSuspended = "Suspended"
	statusDisabled  = "Disabled"
)

func getBucketVersioning(c *call) error {
	rules, err := c.server.backend.Rules(c.ctx, c.bucket)
	if err != nil {
		return err
	}
	d := newDocument("VersioningConfiguration")
	switch rules.Versioning {
	case index.Enabled:
		d.text("Status", statusEnabled)
	case index.Suspended:
		d.text("Status", statusSuspended)
	case index.Unversioned: // says nothing
	}
	d.close("VersioningConfiguration")
	return c.send(d)
}

func putBucketVersioning(c *call) error {
	var request versioningRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return err
	}
	if err := c.refuseMFADelete(request.MFADelete); err != nil {
		return err
	}
	var mode index.Versioning
	switch request.Status {
	case statusEnabled:
		mode = index.Enabled
	case statusSuspended:
		mode = index.Suspended
	case "":
		return fail(IllegalVersioningConfiguration)
	default:
		return fail(MalformedXML)
	}
	err := c.server.backend.SetVersioning(c.ctx, c.bucket, mode)
	if errors.Is(err, store.ErrBucketState) {
		return failf(InvalidBucketState, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.").because(err)
	}
	if err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// refuseMFADelete answers as AWS does to those who have no device for it: nobody has one here.
func (c *call) refuseMFADelete(status string) error {
	switch {
	case status == "" || status == statusDisabled:
		return nil
	case status != statusEnabled:
		return fail(MalformedXML)
	case c.r.Header.Get("X-Amz-Mfa") != "":
		return notImplemented("x-amz-mfa")
	default:
		return failf(AccessDenied, "Mfa Authentication must be used for this request")
	}
}
