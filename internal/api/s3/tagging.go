package s3

import (
	"encoding/xml"
	"errors"
	"net/http"

	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

// bucketTagsMax is how many tags a bucket may have (S3: "Using cost allocation S3 bucket tags").
const bucketTagsMax = 50

// taggingDocument is the name under which a bucket's tags are stored, in the form of the answer.
const taggingDocument = "tagging"

// taggingRequest is the document of PutObjectTagging and PutBucketTagging.
type taggingRequest struct {
	XMLName xml.Name `xml:"Tagging"`
	TagSet  *struct {
		Tags []struct {
			Key   *string `xml:"Key"`
			Value *string `xml:"Value"`
		} `xml:"Tag"`
	} `xml:"TagSet"`
}

// readTags reads the document of a request, at most so many tags.
func (c *call) readTags(most int) ([]index.Tag, error) {
	var request taggingRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return nil, err
	}
	if request.TagSet == nil {
		return nil, fail(MalformedXML)
	}
	var tags []index.Tag
	for _, t := range request.TagSet.Tags {
		if t.Key == nil || t.Value == nil {
			return nil, fail(MalformedXML)
		}
		tags = append(tags, index.Tag{Key: *t.Key, Value: *t.Value})
	}
	return tags, checkTags(tags, most)
}

func tagDocument(tags []index.Tag) *document {
	d := newDocument("Tagging")
	d.open("TagSet")
	for _, t := range tags {
		d.open("Tag")
		d.text("Key", t.Key)
		d.text("Value", t.Value)
		d.close("Tag")
	}
	d.close("TagSet")
	d.close("Tagging")
	return d
}

func getObjectTagging(c *call) error {
	o, err := c.openObject()
	if err != nil {
		return err
	}
	defer o.Close()
	c.setVersion(&o.Version)
	return c.send(tagDocument(o.Meta.Tags))
}

func putObjectTagging(c *call) error {
	version, err := c.versionParam()
	if err != nil {
		return err
	}
	tags, err := c.readTags(tagsMax)
	if err != nil {
		return err
	}
	return c.setTags(version, tags, http.StatusOK)
}

func deleteObjectTagging(c *call) error {
	version, err := c.versionParam()
	if err != nil {
		return err
	}
	return c.setTags(version, nil, http.StatusNoContent)
}

func (c *call) setTags(version *id.Version, tags []index.Tag, status int) error {
	v, err := c.server.backend.SetTags(c.ctx, c.bucket, c.object, version, tags)
	return c.amended(version, &v, err, status)
}

// amended answers a change of what is said about a version.
func (c *call) amended(asked *id.Version, v *index.Version, err error, status int) error {
	switch {
	case err == nil:
		c.setVersion(v)
		return c.empty(status)
	case errors.Is(err, store.ErrDeleteMarker):
		c.set("x-amz-delete-marker", "true")
		c.set("Allow", http.MethodDelete)
		return fail(MethodNotAllowed).with("Method", c.r.Method).with("ResourceType", "DeleteMarker").because(err)
	default:
		return c.noObject(nil, asked, err)
	}
}

func getBucketTagging(c *call) error {
	stored, ok := c.bucket.Config[taggingDocument]
	if !ok {
		return fail(NoSuchTagSet)
	}
	d := bareDocument()
	d.b = append(d.b[:0], stored...)
	return c.send(d)
}

func putBucketTagging(c *call) error {
	tags, err := c.readTags(bucketTagsMax)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return deleteBucketTagging(c)
	}
	d := tagDocument(tags)
	defer d.free()
	if err := c.server.backend.SetDocument(c.ctx, c.bucket, taggingDocument, d.b); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func deleteBucketTagging(c *call) error {
	if err := c.server.backend.SetDocument(c.ctx, c.bucket, taggingDocument, nil); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
