package s3

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"grange/internal/catalog"
	"grange/internal/store"
)

// createBucketRequest is the document of CreateBucket, which may be left out.
type createBucketRequest struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string   `xml:"LocationConstraint"`
}

// regionMax is the longest name of a region, in bytes.
const regionMax = 64

func createBucket(c *call) error {
	if err := refuseBucketHeaders(c.r.Header); err != nil {
		return err
	}
	lock, err := lockAtCreation(c.r.Header)
	if err != nil {
		return err
	}
	var request createBucketRequest
	if _, err := c.readXML(xmlBodyMax, &request); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	region := strings.TrimSpace(request.LocationConstraint)
	if len(region) > regionMax {
		return failf(InvalidLocationConstraint, "The specified location-constraint is not valid").with("LocationConstraint", region)
	}
	b, err := c.server.backend.CreateBucket(c.ctx, store.BucketOptions{Name: c.bucketName, Key: c.key, Region: region, ObjectLock: lock})
	if errors.Is(err, catalog.ErrInvalid) {
		return fail(InvalidBucketName).because(err)
	}
	if err != nil {
		return err
	}
	c.bucket = b
	c.set("Location", "/"+b.Name)
	return c.empty(http.StatusOK)
}

// refuseBucketHeaders refuses what a new bucket cannot have.
func refuseBucketHeaders(h http.Header) error {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Grant-") {
			return fail(AccessControlListNotSupported)
		}
	}
	return checkCannedACL(h)
}

func headBucket(c *call) error {
	c.set("x-amz-bucket-region", c.server.regionOf(c.bucket))
	c.set("x-amz-access-point-alias", "false")
	c.set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func deleteBucket(c *call) error {
	if err := c.server.backend.DeleteBucket(c.ctx, c.bucket); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func getBucketLocation(c *call) error {
	d := bareDocument()
	region := c.server.regionOf(c.bucket)
	if region == "us-east-1" { // S3: "Buckets in Region us-east-1 have a LocationConstraint of null"
		region = ""
	}
	d.b = append(d.b, `<LocationConstraint xmlns="`+xmlNamespace+`">`...)
	d.b = appendEscaped(d.b, region)
	d.close("LocationConstraint")
	return c.send(d)
}
