package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"grange/internal/access"
	"grange/internal/api/s3/sigv4"
	"grange/internal/catalog"
)

// keyHolder carries the access key from where its secret is looked up to the call, so that what was verified and what is permitted are
// one record.
type keyHolder struct{ key *catalog.AccessKey }

type holderKey struct{}

// secret implements sigv4.SecretFunc. A key that is disabled or has expired is unknown, as on AWS.
func (s *Server) secret(ctx context.Context, accessKeyID string) (string, error) {
	key, err := s.backend.AccessKey(ctx, accessKeyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return "", sigv4.ErrUnknownKey
	}
	if err != nil {
		return "", err
	}
	if !access.Usable(key, s.now()) {
		return "", fmt.Errorf("%w: it is not active", sigv4.ErrUnknownKey)
	}
	if holder, ok := ctx.Value(holderKey{}).(*keyHolder); ok {
		holder.key = key
	}
	return key.Secret, nil
}

// authenticate finds out who sent the request. From here on its path and its query are those that were signed.
func (c *call) authenticate(ctx context.Context) error {
	var holder keyHolder
	auth, err := c.server.verifier.Verify(context.WithValue(ctx, holderKey{}, &holder), c.r)
	if err != nil {
		return err
	}
	c.auth, c.query = auth, auth.Query
	if auth.Anonymous {
		return nil
	}
	c.key = holder.key
	if auth.Presigned {
		c.takeHeadersFromQuery()
	}
	return nil
}

// takeHeadersFromQuery honours x-amz-* headers that a presigned URL carries in its query, as AWS does: x-amz-acl, x-amz-meta-… and
// others. They are signed there. A header of the same name that was sent too must be signed and counts.
func (c *call) takeHeadersFromQuery() {
	for name, values := range c.query {
		header := http.CanonicalHeaderKey(name)
		if !strings.HasPrefix(header, "X-Amz-") || signatureParams[header] || c.r.Header[header] != nil {
			continue
		}
		c.r.Header[header] = values
	}
}

// signatureParams are the query parameters of a presigned URL that belong to the signature.
var signatureParams = map[string]bool{
	"X-Amz-Algorithm": true, "X-Amz-Credential": true, "X-Amz-Date": true, "X-Amz-Expires": true, "X-Amz-Signedheaders": true,
	"X-Amz-Signature": true, "X-Amz-Security-Token": true, "X-Amz-Content-Sha256": true,
}

// permit looks up the bucket and decides whether the request may do what it asks for.
func (c *call) permit() error {
	if c.route.public {
		return nil
	}
	if c.route.level != service && !c.route.makesBucket {
		b, err := c.server.backend.Bucket(c.ctx, c.bucketName)
		if err != nil {
			return err
		}
		c.bucket = b
		if err := checkOwner(c.r.Header.Get("X-Amz-Expected-Bucket-Owner"), b); err != nil {
			return err
		}
	}
	action := c.route.action
	if _, versioned := c.query["versionId"]; versioned && c.route.versionAction != "" {
		action = c.route.versionAction
	}
	return c.allowed(action, c.bucket, c.object)
}

// allowed asks for one permission.
func (c *call) allowed(action access.Action, b *catalog.Bucket, object string) error {
	d := access.Decide(access.Request{
		Key:       c.key,
		Anonymous: c.key == nil,
		Bucket:    b,
		Action:    action,
		Object:    object,
		Now:       c.server.now(),
	})
	if !d.Allowed {
		return fail(AccessDenied).because(errors.New(d.Reason))
	}
	return nil
}

// checkOwner holds the bucket against the owner that the client expects (x-amz-expected-bucket-owner).
func checkOwner(expected string, b *catalog.Bucket) error {
	if expected != "" && expected != b.Account.String() {
		return fail(AccessDenied)
	}
	return nil
}
