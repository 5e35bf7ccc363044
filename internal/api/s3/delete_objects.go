package s3

import (
	"encoding/xml"
	"errors"

	"grange/internal/access"
	"grange/internal/index"
	"grange/internal/store"
)

// deleteMax is how many keys one DeleteObjects may name.
const deleteMax = 1000

// deleteRequest is the document of DeleteObjects.
type deleteRequest struct {
	XMLName xml.Name       `xml:"Delete"`
	Quiet   bool           `xml:"Quiet"`
	Objects []deleteTarget `xml:"Object"`
}

type deleteTarget struct {
	Key              string  `xml:"Key"`
	VersionID        *string `xml:"VersionId"`
	ETag             *string `xml:"ETag"`
	LastModifiedTime *string `xml:"LastModifiedTime"`
	Size             *string `xml:"Size"`
}

// deleted is the answer for one key.
type deleted struct {
	target deleteTarget
	result store.DeleteResult
	err    *Error
}

func deleteObjects(c *call) error {
	var request deleteRequest
	body, err := c.requireXML(xmlBodyMax, &request)
	if err != nil {
		return err
	}
	if !body.hasDigest() {
		return failf(InvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if len(request.Objects) == 0 || len(request.Objects) > deleteMax {
		return fail(MalformedXML)
	}
	answers, err := c.deleteEach(request.Objects)
	if err != nil {
		return err
	}
	return c.send(deleteResultDocument(answers, request.Quiet))
}

// deleteEach permits each key for itself, and deletes those that are permitted in one step.
func (c *call) deleteEach(targets []deleteTarget) ([]deleted, error) {
	answers := make([]deleted, len(targets))
	options := make([]store.DeleteOptions, 0, len(targets))
	places := make([]int, 0, len(targets))
	for i, t := range targets {
		answers[i].target = t
		o, err := c.planDelete(t)
		if err != nil {
			answers[i].err = fromDomain(err)
			continue
		}
		options, places = append(options, o), append(places, i)
	}
	if len(options) == 0 {
		return answers, nil
	}
	results, err := c.server.backend.DeleteObjects(c.ctx, c.bucket, options)
	if err != nil {
		return nil, err
	}
	for j, r := range results {
		a := &answers[places[j]]
		a.result = r
		if r.Err != nil {
			a.err = c.deleteError(a.target, r.Err)
		}
	}
	return answers, nil
}

func (c *call) planDelete(t deleteTarget) (store.DeleteOptions, error) {
	action := access.DeleteObject
	if t.VersionID != nil {
		action = access.DeleteObjectVersion
	}
	if err := c.allowed(action, c.bucket, t.Key); err != nil {
		return store.DeleteOptions{}, err
	}
	o := store.DeleteOptions{Key: t.Key, Owner: c.bucket.Account}
	switch {
	case t.Key == "":
		return o, failf(InvalidArgument, "The key of an object must not be empty.")
	case len(t.Key) > index.KeyMax:
		return o, keyTooLong(t.Key)
	case t.LastModifiedTime != nil || t.Size != nil:
		return o, fail(NotImplemented)
	}
	if t.ETag != nil {
		o.Condition.IfMatch = strongTags(*t.ETag + " ")
	}
	if t.VersionID == nil {
		return o, nil
	}
	var err error
	o.VersionID, err = parseVersion(*t.VersionID)
	o.Bypass = c.bypasses(t.Key)
	return o, err
}

func (c *call) deleteError(t deleteTarget, err error) *Error {
	e := fromDomain(err)
	if errors.Is(err, store.ErrNoObject) && t.VersionID != nil {
		return fail(NoSuchVersion).because(err)
	}
	return e
}

func deleteResultDocument(answers []deleted, quiet bool) *document {
	d := newDocument("DeleteResult")
	for _, a := range answers {
		switch {
		case a.err != nil:
			d.open("Error")
			d.text("Key", a.target.Key)
			if a.target.VersionID != nil {
				d.text("VersionId", *a.target.VersionID)
			}
			d.text("Code", string(a.err.Code))
			d.text("Message", a.err.Message)
			d.close("Error")
		case !quiet:
			d.deleted(a)
		}
	}
	d.close("DeleteResult")
	return d
}

func (d *document) deleted(a deleted) {
	d.open("Deleted")
	d.text("Key", a.target.Key)
	if a.target.VersionID != nil {
		d.text("VersionId", *a.target.VersionID)
	}
	if a.result.DeleteMarker {
		d.bool("DeleteMarker", true)
		if a.result.VersionID != nil {
			d.text("DeleteMarkerVersionId", a.result.VersionID.String())
		}
	}
	d.close("Deleted")
}
