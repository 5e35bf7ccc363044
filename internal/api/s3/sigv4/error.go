package sigv4

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUnknownKey is what a SecretFunc returns, possibly wrapped, for an access key that does not exist or is not active.
var ErrUnknownKey = errors.New("sigv4: unknown access key")

// Code is the S3 error code that a client branches on (S3 API reference, "Error responses"). The HTTP status that goes with it is
// the router's to know.
type Code string

// The codes that this package answers with.
const (
	AccessDenied                      Code = "AccessDenied"
	AuthorizationHeaderMalformed      Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError Code = "AuthorizationQueryParametersError"
	InvalidAccessKeyID                Code = "InvalidAccessKeyId"
	InvalidArgument                   Code = "InvalidArgument"
	InvalidRequest                    Code = "InvalidRequest"
	InvalidURI                        Code = "InvalidURI"
	NotImplemented                    Code = "NotImplemented"
	RequestTimeTooSkewed              Code = "RequestTimeTooSkewed"
	SignatureDoesNotMatch             Code = "SignatureDoesNotMatch"
)

// Extra is a further element of the XML error document, such as StringToSign.
type Extra struct{ Name, Value string }

// Error is a refusal in the form that an S3 client sees. Everything in it may be shown to the client.
type Error struct {
	Code    Code
	Message string
	Extras  []Extra // in the order of the document
}

// Error returns the code and the message, without the extras.
func (e *Error) Error() string { return fmt.Sprintf("sigv4: %s: %s", e.Code, e.Message) }

// Is matches on the code, so that errors.Is(err, &Error{Code: AccessDenied}) reads well.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Extra returns the value of the named extra element, and the empty string when there is none.
func (e *Error) Extra(name string) string {
	for _, x := range e.Extras {
		if x.Name == name {
			return x.Value
		}
	}
	return ""
}

func refuse(code Code, message string, extras ...Extra) *Error {
	return &Error{Code: code, Message: message, Extras: extras}
}

func invalidArgument(name, value, message string) *Error {
	return refuse(InvalidArgument, message, Extra{"ArgumentName", name}, Extra{"ArgumentValue", value})
}

func unsupportedMechanism() *Error {
	return refuse(InvalidRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

func notImplemented(header string) *Error {
	return refuse(NotImplemented, "A header you provided implies functionality that is not implemented", Extra{"Header", header})
}

func invalidURI() *Error { return refuse(InvalidURI, "Couldn't parse the specified URI.") }

func notSigned(headers []string) *Error {
	return refuse(AccessDenied, "There were headers present in the request which were not signed",
		Extra{"HeadersNotSigned", strings.Join(headers, ", ")})
}

func tooSkewed(request, server time.Time, allowed time.Duration) *Error {
	return refuse(RequestTimeTooSkewed, "The difference between the request time and the current time is too large.",
		Extra{"RequestTime", request.Format(timeFormat)},
		Extra{"ServerTime", server.UTC().Format(time.RFC3339)},
		Extra{"MaxAllowedSkewMilliseconds", fmt.Sprint(allowed.Milliseconds())})
}

func unknownKey(accessKeyID string) *Error {
	return refuse(InvalidAccessKeyID, "The AWS Access Key Id you provided does not exist in our records.",
		Extra{"AWSAccessKeyId", accessKeyID})
}

func mismatch(accessKeyID, signature, stringToSign, canonicalRequest string) *Error {
	e := refuse(SignatureDoesNotMatch,
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		Extra{"AWSAccessKeyId", accessKeyID}, Extra{"StringToSign", stringToSign}, Extra{"SignatureProvided", signature})
	if canonicalRequest != "" {
		e.Extras = append(e.Extras, Extra{"CanonicalRequest", canonicalRequest})
	}
	return e
}
