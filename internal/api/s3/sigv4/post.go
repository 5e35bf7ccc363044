package sigv4

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// VerifyPostPolicy verifies the signature of a browser's POST (S3 API reference, "Browser-Based Uploads Using POST"). The fields are those
// of the form, with their names in lower case. The signature covers the policy, and nothing else of the form: the caller has to hold the
// expiration and the conditions of the policy against the form before it believes any of it. Without any field of a signature the
// Result is Anonymous. Errors are those of Verify.
func (v *Verifier) VerifyPostPolicy(ctx context.Context, fields map[string]string) (*Result, error) {
	if hasAny(fields, "awsaccesskeyid", "signature") { // Signature Version 2
		return nil, unsupportedMechanism()
	}
	required := []string{"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}
	if !hasAny(fields, required...) {
		return &Result{Anonymous: true}, nil
	}
	for _, name := range required {
		if fields[name] == "" {
			return nil, invalidArgument(name, "", fmt.Sprintf(
				"Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields.", name))
		}
	}
	switch fields["x-amz-algorithm"] {
	case algorithm:
	case "AWS4-ECDSA-P256-SHA256":
		return nil, notImplemented("x-amz-algorithm")
	default:
		return nil, unsupportedMechanism()
	}
	c, refusal := v.parseCredential(fields["x-amz-credential"], malformedPost)
	if refusal != nil {
		return nil, refusal
	}
	date, err := time.Parse(timeFormat, fields["x-amz-date"])
	if err != nil {
		return nil, invalidArgument("x-amz-date", fields["x-amz-date"],
			`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if date.Format(dayFormat) != c.day {
		return nil, invalidArgument("x-amz-date", fields["x-amz-date"],
			fmt.Sprintf("Invalid credential date %q. This date is not the same as X-Amz-Date.", c.day))
	}
	key, err := v.authenticate(ctx, c, fields["x-amz-signature"], []byte(fields["policy"]))
	if errors.Is(err, errMismatch) {
		return nil, mismatch(c.accessKeyID, fields["x-amz-signature"], fields["policy"], "")
	}
	if err != nil {
		return nil, err
	}
	return &Result{
		AccessKeyID: c.accessKeyID, Date: date, Region: c.region,
		scope: c.scope(), seed: fields["x-amz-signature"], key: key,
	}, nil
}

func hasAny(fields map[string]string, names ...string) bool {
	for _, name := range names {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return false
}
