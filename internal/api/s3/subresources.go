package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
)

// Sub-resources that a bucket can be configured with on AWS and not yet here. They answer as for a bucket or object without them, which is
// what clients ask on their way; to configure one is NotImplemented, unless it says what holds anyway.

// absent answers that nothing is configured.
func absent(code Code) func(*call) error {
	return func(*call) error { return fail(code) }
}

// emptyDocument answers with a root element and nothing in it.
func emptyDocument(root string) func(*call) error {
	return func(c *call) error {
		d := newDocument(root)
		d.close(root)
		return c.send(d)
	}
}

// emptyList answers a list of configurations, of which there are none; one that is named by ?id does not exist.
func emptyList(root string) func(*call) error {
	return func(c *call) error {
		if c.param("id") != "" {
			return fail(NoSuchConfiguration)
		}
		d := newDocument(root)
		d.bool("IsTruncated", false)
		d.close(root)
		return c.send(d)
	}
}

// unavailable refuses to configure what is not there.
func unavailable(c *call) error {
	return failf(NotImplemented, "%s is not available yet.", c.route.name).with("Operation", c.route.name)
}

// nothingToDelete answers the removal of a configuration that is not there, which succeeds on AWS.
func nothingToDelete(c *call) error { return c.empty(http.StatusNoContent) }

// onObject makes sure that the object is there before something is said about it.
func onObject(next func(*call) error) func(*call) error {
	return func(c *call) error {
		o, err := c.openObject()
		if err != nil {
			return err
		}
		o.Close()
		return next(c)
	}
}

// aclDocument is the only access control list that there is: the owner has full control.
func aclDocument(c *call) error {
	name := c.displayName(c.bucket.Account)
	d := newDocument("AccessControlPolicy")
	d.owner("Owner", c.bucket.Account, name)
	d.open("AccessControlList")
	d.open("Grant")
	d.b = append(d.b, `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">`...)
	d.text("ID", c.bucket.Account.String())
	d.text("DisplayName", name)
	d.close("Grantee")
	d.text("Permission", fullControl)
	d.close("Grant")
	d.close("AccessControlList")
	d.close("AccessControlPolicy")
	return c.send(d)
}

const fullControl = "FULL_CONTROL"

// aclRequest is the document of PutBucketAcl and PutObjectAcl.
type aclRequest struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Grants  []struct {
		ID         string `xml:"Grantee>ID"`
		URI        string `xml:"Grantee>URI"`
		Email      string `xml:"Grantee>EmailAddress"`
		Permission string `xml:"Permission"`
	} `xml:"AccessControlList>Grant"`
}

// putACL accepts the list that holds anyway and no other.
func putACL(c *call) error {
	for name := range c.r.Header {
		if len(name) > len("X-Amz-Grant-") && name[:len("X-Amz-Grant-")] == "X-Amz-Grant-" {
			return fail(AccessControlListNotSupported)
		}
	}
	if c.r.Header.Get("X-Amz-Acl") != "" {
		if err := checkCannedACL(c.r.Header); err != nil {
			return err
		}
		return c.empty(http.StatusOK)
	}
	var request aclRequest
	if _, err := c.requireXML(xmlBodyMax, &request); err != nil {
		return err
	}
	for _, g := range request.Grants {
		if g.ID != c.bucket.Account.String() || g.URI != "" || g.Email != "" || g.Permission != fullControl {
			return fail(AccessControlListNotSupported)
		}
	}
	return c.empty(http.StatusOK)
}

// fixed answers with one element within a root: a setting that cannot be changed.
func fixed(root, name, value string) func(*call) error {
	return func(c *call) error {
		d := newDocument(root)
		d.text(name, value)
		d.close(root)
		return c.send(d)
	}
}

// acceptFixed accepts a document that sets what fixed says, and refuses others.
func acceptFixed(root, name, value string) func(*call) error {
	return func(c *call) error {
		var e element
		if _, err := c.requireXML(xmlBodyMax, &e); err != nil {
			return err
		}
		if e.XMLName.Local != root {
			return fail(MalformedXML)
		}
		for _, child := range e.leaves(nil) {
			if child.XMLName.Local != name || child.Text != value {
				return unavailable(c)
			}
		}
		return c.empty(http.StatusOK)
	}
}

// acceptEmpty accepts a document without content, which configures nothing.
func acceptEmpty(root string) func(*call) error {
	return func(c *call) error {
		var e element
		if _, err := c.requireXML(xmlBodyMax, &e); err != nil {
			return err
		}
		switch {
		case e.XMLName.Local != root:
			return fail(MalformedXML)
		case len(e.Children) > 0:
			return unavailable(c)
		default:
			return c.empty(http.StatusOK)
		}
	}
}

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// leaves appends the elements without children.
func (e *element) leaves(found []element) []element {
	for i := range e.Children {
		if child := &e.Children[i]; len(child.Children) > 0 {
			found = child.leaves(found)
		} else {
			found = append(found, *child)
		}
	}
	return found
}

// ownershipControls say that the bucket's account owns every object and that there are no access control lists.
func ownershipControls(c *call) error {
	d := newDocument("OwnershipControls")
	d.open("Rule")
	d.text("ObjectOwnership", "BucketOwnerEnforced")
	d.close("Rule")
	d.close("OwnershipControls")
	return c.send(d)
}

// publicAccessBlock says that nothing is public, by four names.
func publicAccessBlock(c *call) error {
	d := newDocument("PublicAccessBlockConfiguration")
	for _, name := range publicAccessSettings {
		d.bool(name, true)
	}
	d.close("PublicAccessBlockConfiguration")
	return c.send(d)
}

var publicAccessSettings = []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"}

func putPublicAccessBlock(c *call) error {
	var e element
	if _, err := c.requireXML(xmlBodyMax, &e); err != nil {
		return err
	}
	if e.XMLName.Local != "PublicAccessBlockConfiguration" {
		return fail(MalformedXML)
	}
	for _, child := range e.Children {
		if !slices.Contains(publicAccessSettings, child.XMLName.Local) {
			return fail(MalformedXML)
		}
		if child.Text != "true" {
			return unavailable(c)
		}
	}
	return c.empty(http.StatusOK)
}

// restoreObject has nothing to restore: all storage classes are read in the same way.
func restoreObject(*call) error {
	return failf(InvalidObjectState, "Restore is not allowed for the object's current storage class")
}
