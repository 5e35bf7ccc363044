package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// SecretFunc returns the secret of an access key; for one that does not exist or is not active the error is ErrUnknownKey. Every other error
// comes back from Verify wrapped, and says that nothing can be decided now.
type SecretFunc func(ctx context.Context, accessKeyID string) (string, error)

// Settings of a Verifier. The zero value is the default.
type Settings struct {
	// Region is the name that this endpoint goes by; "us-east-1" when empty.
	Region string
	// StrictRegion refuses signatures for another region. Without it any region is accepted, as clients are set up with all sorts.
	StrictRegion bool
	// Service is the name of the service in the credential scope; "s3" when empty.
	Service string
	// MaxSkew is how far the date of a request may be from ours, to either side; 15 minutes when zero, as in S3.
	MaxSkew time.Duration
	// Now returns the wall-clock time; time.Now when nil.
	Now func() time.Time
	// KeysMax bounds the number of remembered signing keys, of some 400 bytes each; 1024 when zero.
	KeysMax int
}

func (s Settings) withDefaults() Settings {
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	if s.Service == "" {
		s.Service = "s3"
	}
	if s.MaxSkew <= 0 {
		s.MaxSkew = 15 * time.Minute
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.KeysMax <= 0 {
		s.KeysMax = 1024
	}
	return s
}

// Result is what a verified request is known to be.
type Result struct {
	// AccessKeyID is who signed; empty when Anonymous.
	AccessKeyID string
	// Anonymous says that the request carries no credentials. Nothing about it is known to be true.
	Anonymous bool
	// Presigned says that the signature was in the query.
	Presigned bool
	// Payload and PayloadSHA256 are what is promised about the body. The sum is set for PayloadHash only.
	Payload       Payload
	PayloadSHA256 [sha256.Size]byte
	// SignedHeaders are the lower-case names of the signed headers, in the client's order.
	SignedHeaders []string
	// Date is when the request was signed, by the client's clock, in UTC; zero when Anonymous.
	Date time.Time
	// Expires is when a presigned request ends to be valid; zero for other forms.
	Expires time.Time
	// Region is the one in the credential scope.
	Region string
	// Path is the path of the request, decoded once; empty for a POST policy.
	Path string
	// Query is the query of the request, decoded once; nil for a POST policy.
	Query url.Values

	scope string
	seed  string      // the verified signature
	key   *signingKey // a pointer, so that printing a Result does not show it
}

// Verifier verifies requests. It may be used concurrently.
type Verifier struct {
	secret   SecretFunc
	settings Settings
	keys     *keyCache
}

// New returns a verifier that looks up secrets with the function.
func New(secret SecretFunc, settings Settings) *Verifier {
	settings = settings.withDefaults()
	return &Verifier{secret: secret, settings: settings, keys: newKeyCache(settings.KeysMax)}
}

// claim is what a signed request says about itself, before it is believed.
type claim struct {
	credential
	signedHeaders []string
	signature     string
	date          time.Time
	expires       time.Time // of presigned requests
	payload       string    // the last line of the canonical request
	exempt        []string  // x-amz-* headers that need not be in signedHeaders
}

// Verify authenticates a request in whichever form it came. The body is not read; Result.Payload says how it is to be read.
// The error is an *Error when the request is refused, and another one when the secret could not be looked up.
func (v *Verifier) Verify(ctx context.Context, r *http.Request) (*Result, error) {
	t, refusal := targetOf(r)
	if refusal != nil {
		return nil, refusal
	}
	form, refusal := formOf(r, t)
	if refusal != nil {
		return nil, refusal
	}
	var c claim
	switch form {
	case formAnonymous:
		return anonymous(r, t)
	case formHeader:
		c, refusal = v.headerClaim(r)
	case formQuery:
		c, refusal = v.queryClaim(r, t)
	}
	if refusal != nil {
		return nil, refusal
	}
	payload, payloadSum, refusal := parsePayload(c.payload)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := checkSigned(r, c.signedHeaders, c.exempt...); refusal != nil {
		return nil, refusal
	}
	canonical := canonicalRequest(r, t, c.signedHeaders, c.payload, false)
	text := stringToSign(c.date.Format(timeFormat), c.scope(), canonical)
	key, err := v.authenticate(ctx, c.credential, c.signature, text)
	if errors.Is(err, errMismatch) {
		shown := canonicalRequest(r, t, c.signedHeaders, c.payload, true)
		return nil, mismatch(c.accessKeyID, c.signature, string(text), string(shown))
	}
	if err != nil {
		return nil, err
	}
	return &Result{
		AccessKeyID: c.accessKeyID, Presigned: form == formQuery,
		Payload: payload, PayloadSHA256: payloadSum,
		SignedHeaders: c.signedHeaders, Date: c.date, Expires: c.expires, Region: c.region,
		Path: t.path, Query: t.values(),
		scope: c.scope(), seed: c.signature, key: key,
	}, nil
}

// errMismatch says that the signature is not that of the text. The caller makes the *Error, as it knows what to show.
var errMismatch = errors.New("sigv4: signature mismatch")

// authenticate returns the signing key of the credential after it proved the signature of the text.
func (v *Verifier) authenticate(ctx context.Context, c credential, signature string, text []byte) (*signingKey, error) {
	secret, err := v.secret(ctx, c.accessKeyID)
	if errors.Is(err, ErrUnknownKey) {
		return nil, unknownKey(c.accessKeyID)
	}
	if err != nil {
		return nil, fmt.Errorf("look up access key %q: %w", c.accessKeyID, err)
	}
	if secret == "" { // anyone could sign with it
		return nil, fmt.Errorf("look up access key %q: its secret is empty", c.accessKeyID)
	}
	id := keyID{c, sha256.Sum256([]byte(secret))}
	key := v.keys.get(id)
	remembered := key != nil
	if !remembered {
		key = deriveKey(secret, c)
	}
	if !hmac.Equal([]byte(key.sign(text)), []byte(signature)) {
		return nil, errMismatch
	}
	if !remembered {
		v.keys.put(id, key)
	}
	return key, nil
}

// anonymous makes the Result of a request without credentials. It may still promise the hash of its body, or have trailers; what it cannot
// have is chunks with signatures.
func anonymous(r *http.Request, t target) (*Result, error) {
	result := &Result{Anonymous: true, Path: t.path, Query: t.values()}
	value, ok, refusal := single(r.Header, contentSHA256Header)
	if refusal != nil {
		return nil, refusal
	}
	if !ok {
		return result, nil
	}
	payload, sum, refusal := parsePayload(value)
	if refusal != nil {
		return nil, refusal
	}
	if payload.SignedChunks() {
		return nil, invalidArgument(contentSHA256Header, value, "A request without a signature cannot have signed chunks.")
	}
	result.Payload, result.PayloadSHA256 = payload, sum
	return result, nil
}
