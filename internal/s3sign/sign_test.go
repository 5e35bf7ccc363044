package s3sign

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"grange/internal/api/s3/sigv4"
)

const (
	// The key and the moment of AWS's examples.
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// AWS: "Authenticating Requests: Using Query Parameters", the example.
func TestPresignedExampleOfAWS(t *testing.T) {
	s := &Signer{AccessKey: exampleKey, SecretKey: exampleSecret, Region: "us-east-1"}
	got := s.Presign("GET", &url.URL{Scheme: "https", Host: "examplebucket.s3.amazonaws.com"}, "/test.txt", nil, 24*time.Hour, exampleTime)
	const want = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z" +
		"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// AWS: "Authenticating Requests: Using the Authorization Header", the example of a listing.
func TestListingExampleOfAWS(t *testing.T) {
	s := &Signer{AccessKey: exampleKey, SecretKey: exampleSecret, Region: "us-east-1"}
	got, date := s.Header("GET", "examplebucket.s3.amazonaws.com", "/", Query(url.Values{"prefix": {"J"}, "max-keys": {"2"}}), Hash(nil), exampleTime)
	const want = "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
	if !strings.HasSuffix(got, want) || date != "20130524T000000Z" {
		t.Errorf("got %s at %s\nwant %s", got, date, want)
	}
}

func TestOurServerAcceptsWhatWeSign(t *testing.T) {
	now := time.Now()
	verifier := sigv4.New(
		func(context.Context, string) (string, error) { return exampleSecret, nil },
		sigv4.Settings{Region: "grange", Now: func() time.Time { return now }},
	)
	s := &Signer{AccessKey: exampleKey, SecretKey: exampleSecret, Region: "grange"}
	for name, key := range map[string]string{
		"plain": "cat.jpg", "with a space and a plus": "a b+c", "with slashes": "a//b/../c", "with other letters": "Größe/猫.jpg", "with a percent": "50%2F",
	} {
		t.Run(name, func(t *testing.T) {
			path := "/bucket/" + Escape(key, true)
			query := url.Values{"uploadId": {"a b/c"}, "partNumber": {"1"}}
			header := httptest.NewRequestWithContext(t.Context(), http.MethodPut, path+"?"+Query(query), nil)
			header.Host = "s3.example.org:3900"
			authorization, date := s.Header(http.MethodPut, header.Host, path, Query(query), UnsignedPayload, now)
			header.Header.Set("Authorization", authorization)
			header.Header.Set("X-Amz-Date", date)
			header.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
			presigned := httptest.NewRequestWithContext(t.Context(), http.MethodGet, s.Presign(http.MethodGet, &url.URL{Scheme: "http", Host: "s3.example.org:3900"}, path, query, time.Hour, now), nil)
			for _, r := range []*http.Request{header, presigned} {
				if _, err := verifier.Verify(r.Context(), r); err != nil {
					t.Errorf("%s: %v", r.Method, err)
				}
			}
		})
	}
}
