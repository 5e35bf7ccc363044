package sigv4

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parameters of a presigned query.
const (
	paramAlgorithm     = "X-Amz-Algorithm"
	paramCredential    = "X-Amz-Credential"
	paramDate          = "X-Amz-Date"
	paramExpires       = "X-Amz-Expires"
	paramSignedHeaders = "X-Amz-SignedHeaders"
	paramSignature     = "X-Amz-Signature"
	paramContentSHA256 = "X-Amz-Content-Sha256"
)

const expiresMax = 7 * 24 * 60 * 60 // seconds

// form is where a request carries its credentials.
type form uint8

const (
	formAnonymous form = iota
	formHeader
	formQuery
)

// formOf finds the credentials. A request with any trace of them is never anonymous.
func formOf(r *http.Request, t target) (form, *Error) {
	_, inHeader := r.Header["Authorization"]
	inQuery := t.has(paramAlgorithm) || t.has(paramSignature) || t.has(paramCredential)
	inOldQuery := t.has("AWSAccessKeyId") || t.has("Signature") // Signature Version 2
	switch {
	case inHeader && (inQuery || inOldQuery) || inQuery && inOldQuery:
		return 0, invalidArgument("Authorization", r.Header.Get("Authorization"), "Only one auth mechanism allowed; only the "+
			"X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case inOldQuery:
		return 0, unsupportedMechanism()
	case inHeader:
		return formHeader, nil
	case inQuery:
		return formQuery, nil
	default:
		return formAnonymous, nil
	}
}

// single returns the value of a header that must not come twice.
func single(h http.Header, name string) (value string, ok bool, refusal *Error) {
	values := h[textproto.CanonicalMIMEHeaderKey(name)]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	default:
		return "", false, invalidArgument(name, values[1], "The header must be given once.")
	}
}

// headerClaim reads the Authorization header and the headers that belong to it.
func (v *Verifier) headerClaim(r *http.Request) (claim, *Error) {
	authorization, _, refusal := single(r.Header, "Authorization")
	if refusal != nil {
		return claim{}, refusal
	}
	components, refusal := splitAuthorization(authorization)
	if refusal != nil {
		return claim{}, refusal
	}
	c := claim{signature: components["Signature"], exempt: []string{contentSHA256Header, "x-amz-date"}}
	if c.credential, refusal = v.parseCredential(components["Credential"], malformedHeader); refusal != nil {
		return claim{}, refusal
	}
	var ok bool
	if c.signedHeaders, ok = parseSignedHeaders(components["SignedHeaders"]); !ok {
		return claim{}, malformedHeader(`the authorization component "SignedHeaders" is malformed.`)
	}
	if c.date, refusal = v.headerDate(r, c.day); refusal != nil {
		return claim{}, refusal
	}
	if c.payload, ok, refusal = single(r.Header, contentSHA256Header); refusal != nil {
		return claim{}, refusal
	}
	if !ok {
		return claim{}, refuse(InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	return c, nil
}

// splitAuthorization returns the three components of an Authorization header of SigV4.
func splitAuthorization(value string) (map[string]string, *Error) {
	mechanism, rest, ok := strings.Cut(value, " ")
	switch {
	case mechanism == "AWS":
		return nil, unsupportedMechanism()
	case mechanism == "AWS4-ECDSA-P256-SHA256":
		return nil, notImplemented("Authorization")
	case !ok:
		return nil, invalidArgument("Authorization", value, "Authorization header is invalid -- one and only one ' ' (space) required")
	case mechanism != algorithm:
		return nil, invalidArgument("Authorization", value, "Unsupported Authorization Type")
	}
	names := []string{"Credential", "SignedHeaders", "Signature"}
	components := make(map[string]string, len(names))
	for field := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if _, again := components[name]; !ok || again || !slices.Contains(names, name) {
			return nil, malformedHeader(fmt.Sprintf("the authorization component %.64q is malformed.", field))
		}
		components[name] = value
	}
	for _, name := range names {
		if components[name] == "" {
			return nil, malformedHeader("missing " + name + ".")
		}
	}
	return components, nil
}

// headerDate returns the date of the request from x-amz-date or else Date, if it is near enough to now and in the credential's day.
func (v *Verifier) headerDate(r *http.Request, day string) (time.Time, *Error) {
	text, ok, refusal := single(r.Header, "x-amz-date")
	if refusal == nil && !ok {
		text, _, refusal = single(r.Header, "Date")
	}
	if refusal != nil {
		return time.Time{}, refusal
	}
	date, err := time.Parse(timeFormat, text)
	if err != nil {
		date, err = http.ParseTime(text)
	}
	if err != nil {
		return time.Time{}, refuse(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	date = date.UTC()
	if now := v.settings.Now(); now.Sub(date).Abs() > v.settings.MaxSkew {
		return time.Time{}, tooSkewed(date, now, v.settings.MaxSkew)
	}
	if date.Format(dayFormat) != day {
		return time.Time{}, malformedHeader(fmt.Sprintf(
			"Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", day, date.Format(dayFormat)))
	}
	return date, nil
}

// queryClaim reads the parameters of a presigned request.
func (v *Verifier) queryClaim(r *http.Request, t target) (claim, *Error) {
	params, refusal := presignParams(t)
	if refusal != nil {
		return claim{}, refusal
	}
	c := claim{signature: params[paramSignature]}
	if c.credential, refusal = v.parseCredential(params[paramCredential], malformedQueryCredential); refusal != nil {
		return claim{}, refusal
	}
	var ok bool
	if c.signedHeaders, ok = parseSignedHeaders(params[paramSignedHeaders]); !ok {
		return claim{}, malformedQuery("X-Amz-SignedHeaders must be a list of distinct lower-case header names, separated by semicolons")
	}
	if c.date, c.expires, refusal = v.presignTimes(params, c.day); refusal != nil {
		return claim{}, refusal
	}
	c.payload, refusal = presignPayload(r, params, c.signedHeaders)
	return c, refusal
}

// presignParams returns the parameters of the signature, each of which must come once.
func presignParams(t target) (map[string]string, *Error) {
	required := []string{paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature}
	params := make(map[string]string, len(required)+1)
	for _, p := range t.query {
		if p.name != paramContentSHA256 && !slices.Contains(required, p.name) {
			continue
		}
		if _, again := params[p.name]; again {
			return nil, malformedQuery("The parameter " + p.name + " must be given once.")
		}
		params[p.name] = p.value
	}
	switch params[paramAlgorithm] {
	case algorithm, "":
	case "AWS4-ECDSA-P256-SHA256":
		return nil, notImplemented(paramAlgorithm)
	default:
		return nil, malformedQuery(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	}
	for _, name := range required {
		if params[name] == "" {
			return nil, malformedQuery("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, " +
				"X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	return params, nil
}

// presignTimes returns from when to when the request is good, if that is now.
func (v *Verifier) presignTimes(params map[string]string, day string) (date, expires time.Time, refusal *Error) {
	date, err := time.Parse(timeFormat, params[paramDate])
	if err != nil {
		return date, expires, malformedQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if date.Format(dayFormat) != day {
		return date, expires, malformedQuery(fmt.Sprintf(
			"Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", day, params[paramDate]))
	}
	seconds, err := strconv.ParseInt(params[paramExpires], 10, 64)
	switch {
	case err != nil:
		return date, expires, malformedQuery("X-Amz-Expires should be a number")
	case seconds < 1:
		return date, expires, malformedQuery("X-Amz-Expires must be positive")
	case seconds > expiresMax:
		return date, expires, malformedQuery("X-Amz-Expires must be less than a week (in seconds); " +
			"that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	expires = date.Add(time.Duration(seconds) * time.Second)
	switch now := v.settings.Now(); {
	case now.After(expires):
		return date, expires, refuse(AccessDenied, "Request has expired",
			Extra{"X-Amz-Expires", params[paramExpires]},
			Extra{"Expires", expires.Format(time.RFC3339)},
			Extra{"ServerTime", now.UTC().Format(time.RFC3339)})
	case date.After(now.Add(v.settings.MaxSkew)):
		return date, expires, refuse(AccessDenied, "Request is not valid yet",
			Extra{"ServerTime", now.UTC().Format(time.RFC3339)})
	}
	return date, expires, nil
}

// presignPayload returns the payload's line of the canonical request: that of a signed header, else of the query, else unsigned.
func presignPayload(r *http.Request, params map[string]string, signed []string) (string, *Error) {
	value, ok, refusal := single(r.Header, contentSHA256Header)
	if refusal != nil {
		return "", refusal
	}
	if ok && slices.Contains(signed, contentSHA256Header) {
		return value, nil
	}
	if value, ok := params[paramContentSHA256]; ok {
		return value, nil
	}
	return PayloadUnsigned.String(), nil
}
