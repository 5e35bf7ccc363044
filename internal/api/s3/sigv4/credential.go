package sigv4

import (
	"fmt"
	"strings"
	"time"
)

const (
	terminal         = "aws4_request"
	dayFormat        = "20060102"
	accessKeyIDMax   = 128 // bytes
	regionMax        = 64  // bytes
	credentialFormat = `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
)

// credential is who signs, and the scope that the signing key is good for.
type credential struct {
	accessKeyID          string
	day, region, service string
}

// scope returns the credential scope: "20130524/us-east-1/s3/aws4_request".
func (c credential) scope() string {
	return c.day + "/" + c.region + "/" + c.service + "/" + terminal
}

// malformed makes an error from a reason in the words of the form that carries the credential.
type malformed func(reason string, extras ...Extra) *Error

func malformedHeader(reason string, extras ...Extra) *Error {
	return refuse(AuthorizationHeaderMalformed, "The authorization header is malformed; "+reason, extras...)
}

func malformedQueryCredential(reason string, extras ...Extra) *Error {
	return malformedQuery("Error parsing the X-Amz-Credential parameter; "+reason, extras...)
}

func malformedQuery(reason string, extras ...Extra) *Error {
	return refuse(AuthorizationQueryParametersError, reason, extras...)
}

func malformedPost(reason string, extras ...Extra) *Error {
	return refuse(InvalidArgument, reason, extras...)
}

// parseCredential reads "<access key>/YYYYMMDD/REGION/SERVICE/aws4_request". The fields are counted from the end, because an access key
// may contain slashes.
func (v *Verifier) parseCredential(text string, bad malformed) (credential, *Error) {
	fields := strings.Split(text, "/")
	n := len(fields) - 4
	if n < 1 {
		return credential{}, bad(credentialFormat)
	}
	c := credential{strings.Join(fields[:n], "/"), fields[n], fields[n+1], fields[n+2]}
	if c.accessKeyID == "" || len(c.accessKeyID) > accessKeyIDMax || !printable(c.accessKeyID) ||
		c.region == "" || len(c.region) > regionMax || !printable(c.region) {
		return credential{}, bad(credentialFormat)
	}
	if _, err := time.Parse(dayFormat, c.day); err != nil {
		return credential{}, bad(fmt.Sprintf(
			`incorrect date format %.16q. This date in the credential must be in the format "yyyyMMdd".`, c.day))
	}
	if c.service != v.settings.Service {
		return credential{}, bad(fmt.Sprintf("incorrect service %.32q. This endpoint belongs to %q.", c.service, v.settings.Service))
	}
	if fields[n+3] != terminal {
		return credential{}, bad(fmt.Sprintf("incorrect terminal %.32q. This endpoint uses %q.", fields[n+3], terminal))
	}
	if v.settings.StrictRegion && c.region != v.settings.Region {
		return credential{}, bad(fmt.Sprintf("the region '%s' is wrong; expecting '%s'", c.region, v.settings.Region),
			Extra{"Region", v.settings.Region})
	}
	return c, nil
}

// printable reports whether s is of visible ASCII characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
