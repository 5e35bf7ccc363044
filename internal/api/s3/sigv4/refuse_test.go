package sigv4_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"grange/internal/api/s3/sigv4"
)

// newRequest is a request with everything that a signature covers.
func newRequest(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "PUT", "http://storage.example:3900/photos/a%20cat.jpg?partNumber=2&uploadId=abc&note=a%20b", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "image/jpeg")
	r.Header.Set("X-Amz-Acl", "private")
	r.Header.Set("X-Amz-Meta-Name", "the  cat")
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// replace changes the Authorization header.
func replace(old, by string) func(*http.Request) {
	return func(r *http.Request) {
		authorization := r.Header.Get("Authorization")
		if !strings.Contains(authorization, old) {
			panic("no " + old + " in " + authorization)
		}
		r.Header.Set("Authorization", strings.Replace(authorization, old, by, 1))
	}
}

func requestURI(old, by string) func(*http.Request) {
	return func(r *http.Request) {
		if !strings.Contains(r.RequestURI, old) {
			panic("no " + old + " in " + r.RequestURI)
		}
		r.RequestURI = strings.Replace(r.RequestURI, old, by, 1)
	}
}

// TestTamperingWithASignedRequest changes each signed part, and some that are not signed.
func TestTamperingWithASignedRequest(t *testing.T) {
	today := time.Now().UTC().Format("20060102")
	cases := map[string]struct {
		change func(*http.Request)
		want   sigv4.Code // empty: still good
	}{
		"nothing":                            {func(*http.Request) {}, ""},
		"a header that is not signed":        {header("User-Agent", "another"), ""},
		"a new header that is not of Amazon": {header("X-Forwarded-For", "192.0.2.1"), ""},
		"the trace header of a balancer":     {header("X-Amzn-Trace-Id", "1"), ""},
		"another escape of the same path":    {requestURI("a%20cat", "%61%20cat"), ""},
		"another escape in the query":        {requestURI("uploadId=abc", "uploadId=%61bc"), ""},
		"a plus for the same space":          {requestURI("note=a%20b", "note=a+b"), ""},
		"empty parameters between":           {requestURI("&uploadId", "&&uploadId"), ""},
		"the order of the query":             {requestURI("note=a%20b&partNumber=2", "partNumber=2&note=a%20b"), ""},
		"spaces around a value":              {header("X-Amz-Meta-Name", "  the   cat "), ""},

		"the method":                       {func(r *http.Request) { r.Method = "GET" }, sigv4.SignatureDoesNotMatch},
		"the path":                         {requestURI("a%20cat", "a%20dog"), sigv4.SignatureDoesNotMatch},
		"a plus in the path":               {requestURI("a%20cat", "a+cat"), sigv4.SignatureDoesNotMatch},
		"a path with a detour":             {requestURI("/photos/", "/photos/./"), sigv4.SignatureDoesNotMatch},
		"a path with a double slash":       {requestURI("/photos/", "/photos//"), sigv4.SignatureDoesNotMatch},
		"a parameter":                      {requestURI("partNumber=2", "partNumber=3"), sigv4.SignatureDoesNotMatch},
		"a parameter more":                 {requestURI("&uploadId", "&acl&uploadId"), sigv4.SignatureDoesNotMatch},
		"a parameter behind a semicolon":   {requestURI("uploadId=abc", "uploadId=abc;versionId=1"), sigv4.SignatureDoesNotMatch},
		"a parameter less":                 {requestURI("&uploadId=abc", ""), sigv4.SignatureDoesNotMatch},
		"a parameter twice":                {requestURI("&uploadId=abc", "&uploadId=abc&uploadId=abc"), sigv4.SignatureDoesNotMatch},
		"a wrong escape in the query":      {requestURI("uploadId=abc", "uploadId=%zz"), sigv4.InvalidURI},
		"a wrong escape in the path":       {requestURI("a%20cat", "a%20cat%g"), sigv4.InvalidURI},
		"the host":                         {func(r *http.Request) { r.Host = "evil.example" }, sigv4.SignatureDoesNotMatch},
		"the content type":                 {header("Content-Type", "text/html"), sigv4.SignatureDoesNotMatch},
		"the ACL":                          {header("X-Amz-Acl", "public-read"), sigv4.SignatureDoesNotMatch},
		"a second ACL":                     {func(r *http.Request) { r.Header.Add("X-Amz-Acl", "public-read") }, sigv4.SignatureDoesNotMatch},
		"no ACL":                           {func(r *http.Request) { r.Header.Del("X-Amz-Acl") }, sigv4.SignatureDoesNotMatch},
		"a header of Amazon more":          {header("X-Amz-Copy-Source", "/secret/key"), sigv4.AccessDenied},
		"an empty header of Amazon more":   {header("X-Amz-Grant-Read", ""), sigv4.AccessDenied},
		"a header of Amazon out of canon":  {func(r *http.Request) { r.Header["x-amz-copy-source"] = []string{"/a"} }, sigv4.AccessDenied},
		"the payload":                      {header("X-Amz-Content-Sha256", strings.Repeat("0", 64)), sigv4.SignatureDoesNotMatch},
		"a payload in chunks":              {header("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), sigv4.SignatureDoesNotMatch},
		"no payload":                       {func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, sigv4.InvalidRequest},
		"two payloads":                     {func(r *http.Request) { r.Header.Add("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, sigv4.InvalidArgument},
		"a payload that is none":           {header("X-Amz-Content-Sha256", "SIGNED"), sigv4.InvalidArgument},
		"a payload of asymmetric chunks":   {header("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), sigv4.NotImplemented},
		"a date long ago":                  {header("X-Amz-Date", "20130524T000000Z"), sigv4.RequestTimeTooSkewed},
		"a date to come":                   {header("X-Amz-Date", "29990524T000000Z"), sigv4.RequestTimeTooSkewed},
		"a date that is none":              {header("X-Amz-Date", "now"), sigv4.AccessDenied},
		"no date":                          {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.AccessDenied},
		"the signature":                    {replace("Signature=", "Signature=0"), sigv4.SignatureDoesNotMatch},
		"another user":                     {replace(exampleKey, otherKey), sigv4.SignatureDoesNotMatch},
		"a user that does not exist":       {replace(exampleKey, "AKIANOBODY"), sigv4.InvalidAccessKeyID},
		"the region":                       {replace("/eu-west-3/", "/eu-west-4/"), sigv4.SignatureDoesNotMatch},
		"the service":                      {replace("/s3/", "/sts/"), sigv4.AuthorizationHeaderMalformed},
		"the terminal":                     {replace("/aws4_request", "/aws5_request"), sigv4.AuthorizationHeaderMalformed},
		"the day":                          {replace("/"+today+"/", "/20130524/"), sigv4.AuthorizationHeaderMalformed},
		"a day that is none":               {replace("/"+today+"/", "/yesterday/"), sigv4.AuthorizationHeaderMalformed},
		"a signed header less":             {replace("content-type;", ""), sigv4.SignatureDoesNotMatch},
		"a signed header of Amazon less":   {replace("x-amz-acl;", ""), sigv4.AccessDenied},
		"a signed header more":             {replace("content-type;", "content-type;range;"), sigv4.SignatureDoesNotMatch},
		"the host not signed":              {replace("host;", ""), sigv4.AccessDenied},
		"a signed header twice":            {replace("host;", "host;host;"), sigv4.AuthorizationHeaderMalformed},
		"signed headers in capitals":       {replace("host;", "Host;"), sigv4.AuthorizationHeaderMalformed},
		"an empty signed header":           {replace("host;", "host;;"), sigv4.AuthorizationHeaderMalformed},
		"a hundred thousand names":         {replace("host;", "host"+strings.Repeat(";a", 100_000)+";"), sigv4.AuthorizationHeaderMalformed},
		"no credential":                    {replace("Credential=", "Incredible="), sigv4.AuthorizationHeaderMalformed},
		"no signed headers":                {replace("SignedHeaders=", "X="), sigv4.AuthorizationHeaderMalformed},
		"no signature":                     {replace("Signature=", "Sign="), sigv4.AuthorizationHeaderMalformed},
		"an empty credential":              {replace("Credential=", "Credential=,X="), sigv4.AuthorizationHeaderMalformed},
		"a component twice":                {replace("Signature=", "Signature=0,Signature="), sigv4.AuthorizationHeaderMalformed},
		"another mechanism":                {replace("AWS4-HMAC-SHA256 ", "Basic "), sigv4.InvalidArgument},
		"the mechanism of version two":     {header("Authorization", "AWS "+exampleKey+":frJIUN8DYpKDtOLCwo//yllqDzg="), sigv4.InvalidRequest},
		"asymmetric keys":                  {replace("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), sigv4.NotImplemented},
		"one word":                         {header("Authorization", "AWS4-HMAC-SHA256"), sigv4.InvalidArgument},
		"an empty header":                  {header("Authorization", ""), sigv4.InvalidArgument},
		"two headers":                      {func(r *http.Request) { r.Header.Add("Authorization", "x") }, sigv4.InvalidArgument},
		"two mechanisms":                   {requestURI("partNumber=2", "X-Amz-Algorithm=AWS4-HMAC-SHA256"), sigv4.InvalidArgument},
		"two mechanisms, one out of date":  {requestURI("partNumber=2", "Signature=abc"), sigv4.InvalidArgument},
		"an access key too long":           {replace(exampleKey, strings.Repeat("A", 1000)), sigv4.AuthorizationHeaderMalformed},
		"a region too long":                {replace("/eu-west-3/", "/"+strings.Repeat("a", 1000)+"/"), sigv4.AuthorizationHeaderMalformed},
		"an empty region":                  {replace("/eu-west-3/", "//"), sigv4.AuthorizationHeaderMalformed},
		"an access key with a slash in it": {replace(exampleKey, "a/b"), sigv4.InvalidAccessKeyID},
	}
	v := sigv4.New(secrets, sigv4.Settings{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := send(t, signer.SignV4(*newRequest(t), exampleKey, exampleSecret, "", "eu-west-3"))
			c.change(r)
			got, err := v.Verify(t.Context(), r)
			if c.want != "" {
				checkRefused(t, err, c.want)
				return
			}
			if err != nil || got.AccessKeyID != exampleKey || got.Region != "eu-west-3" {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got.Path != "/photos/a cat.jpg" || got.Query.Get("uploadId") != "abc" {
				t.Errorf("got path %q and query %v", got.Path, got.Query)
			}
		})
	}
}

// TestTheDateIsSigned moves the date by a second, which stays within the skew.
func TestTheDateIsSigned(t *testing.T) {
	r := send(t, signer.SignV4(*newRequest(t), exampleKey, exampleSecret, "", "eu-west-3"))
	date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	moved := date.Add(time.Second)
	if moved.Day() != date.Day() {
		moved = date.Add(-time.Second)
	}
	r.Header.Set("X-Amz-Date", moved.Format("20060102T150405Z"))
	_, err = sigv4.New(secrets, sigv4.Settings{}).Verify(t.Context(), r)
	checkRefused(t, err, sigv4.SignatureDoesNotMatch)
}

// TestTamperingWithAPresignedRequest does the same to a link.
func TestTamperingWithAPresignedRequest(t *testing.T) {
	param := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			u, err := url.ParseRequestURI(r.RequestURI)
			if err != nil {
				panic(err)
			}
			q := u.Query()
			q.Set(name, value)
			if value == "" {
				q.Del(name)
			}
			u.RawQuery = q.Encode()
			r.RequestURI = u.RequestURI()
		}
	}
	today := time.Now().UTC().Format("20060102")
	cases := map[string]struct {
		change func(*http.Request)
		want   sigv4.Code
	}{
		"nothing":                         {func(*http.Request) {}, ""},
		"the order of the query":          {param("z", ""), ""},
		"a header that is not of Amazon":  {header("Range", "bytes=0-1"), ""},
		"the path":                        {requestURI("a%20cat", "a%20dog"), sigv4.SignatureDoesNotMatch},
		"the method":                      {func(r *http.Request) { r.Method = "DELETE" }, sigv4.SignatureDoesNotMatch},
		"a parameter":                     {param("partNumber", "3"), sigv4.SignatureDoesNotMatch},
		"a parameter more":                {param("x-amz-acl", "public-read"), sigv4.SignatureDoesNotMatch},
		"the host":                        {func(r *http.Request) { r.Host = "evil.example" }, sigv4.SignatureDoesNotMatch},
		"a header of Amazon":              {header("X-Amz-Copy-Source", "/secret/key"), sigv4.AccessDenied},
		"a hash that was not signed":      {header("X-Amz-Content-Sha256", strings.Repeat("0", 64)), sigv4.AccessDenied},
		"chunks that were not signed":     {header("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), sigv4.AccessDenied},
		"a payload in the query":          {param("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), sigv4.SignatureDoesNotMatch},
		"the expiry":                      {param("X-Amz-Expires", "604800"), sigv4.SignatureDoesNotMatch},
		"an expiry too far":               {param("X-Amz-Expires", "604801"), sigv4.AuthorizationQueryParametersError},
		"an expiry of nothing":            {param("X-Amz-Expires", "0"), sigv4.AuthorizationQueryParametersError},
		"an expiry in the past":           {param("X-Amz-Expires", "-1"), sigv4.AuthorizationQueryParametersError},
		"an expiry beyond numbers":        {param("X-Amz-Expires", "99999999999999999999"), sigv4.AuthorizationQueryParametersError},
		"an expiry that is none":          {param("X-Amz-Expires", "1h"), sigv4.AuthorizationQueryParametersError},
		"a date that is none":             {param("X-Amz-Date", "today"), sigv4.AuthorizationQueryParametersError},
		"a date of another day":           {param("X-Amz-Date", "20130524T000000Z"), sigv4.AuthorizationQueryParametersError},
		"a link of long ago":              {func(r *http.Request) { param("X-Amz-Date", "20130524T000000Z")(r); requestURI(today, "20130524")(r) }, sigv4.AccessDenied},
		"the signature":                   {param("X-Amz-Signature", strings.Repeat("0", 64)), sigv4.SignatureDoesNotMatch},
		"a signature twice":               {requestURI("X-Amz-Signature=", "X-Amz-Signature=0&X-Amz-Signature="), sigv4.AuthorizationQueryParametersError},
		"an expiry twice":                 {requestURI("X-Amz-Expires=", "X-Amz-Expires=1&X-Amz-Expires="), sigv4.AuthorizationQueryParametersError},
		"no signature":                    {param("X-Amz-Signature", ""), sigv4.AuthorizationQueryParametersError},
		"no algorithm":                    {param("X-Amz-Algorithm", ""), sigv4.AuthorizationQueryParametersError},
		"no credential":                   {param("X-Amz-Credential", ""), sigv4.AuthorizationQueryParametersError},
		"no date":                         {param("X-Amz-Date", ""), sigv4.AuthorizationQueryParametersError},
		"no expiry":                       {param("X-Amz-Expires", ""), sigv4.AuthorizationQueryParametersError},
		"no signed headers":               {param("X-Amz-SignedHeaders", ""), sigv4.AuthorizationQueryParametersError},
		"a line break in signed headers":  {param("X-Amz-SignedHeaders", "host\nrange"), sigv4.AuthorizationQueryParametersError},
		"another signed header":           {param("X-Amz-SignedHeaders", "host;range"), sigv4.SignatureDoesNotMatch},
		"the host not signed":             {param("X-Amz-SignedHeaders", "range"), sigv4.AccessDenied},
		"another algorithm":               {param("X-Amz-Algorithm", "AWS4-HMAC-SHA1"), sigv4.AuthorizationQueryParametersError},
		"asymmetric keys":                 {param("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), sigv4.NotImplemented},
		"another user":                    {requestURI(exampleKey, otherKey), sigv4.SignatureDoesNotMatch},
		"a user that does not exist":      {requestURI(exampleKey, "AKIANOBODY"), sigv4.InvalidAccessKeyID},
		"a line break in the region":      {requestURI("eu-west-3", "eu%0Awest"), sigv4.AuthorizationQueryParametersError},
		"a credential that is too short":  {param("X-Amz-Credential", "a/b/c/d"), sigv4.AuthorizationQueryParametersError},
		"parameters of version two alone": {func(r *http.Request) { r.RequestURI = "/b/k?AWSAccessKeyId=a&Expires=1&Signature=b" }, sigv4.InvalidRequest},
	}
	v := sigv4.New(secrets, sigv4.Settings{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			unsigned := newRequest(t)
			for key := range unsigned.Header {
				unsigned.Header.Del(key)
			}
			r := send(t, signer.PreSignV4(*unsigned, exampleKey, exampleSecret, "", "eu-west-3", 600))
			c.change(r)
			got, err := v.Verify(t.Context(), r)
			if c.want != "" {
				checkRefused(t, err, c.want)
				return
			}
			if err != nil || !got.Presigned || got.AccessKeyID != exampleKey || got.Payload != sigv4.PayloadUnsigned {
				t.Fatalf("got %+v, %v", got, err)
			}
			if left := time.Until(got.Expires); left < 590*time.Second || left > 600*time.Second {
				t.Errorf("expires in %s, want 600 s", left)
			}
		})
	}
}

const examplePresigned = `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com`

const exampleLifecycle = `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`

func TestRequestsAreGoodForTheirTimeOnly(t *testing.T) {
	cases := map[string]struct {
		head  string
		after time.Duration
		want  sigv4.Code
		words string
	}{
		"a request at its time":                 {exampleLifecycle, 0, "", ""},
		"a request 15 minutes late":             {exampleLifecycle, 15 * time.Minute, "", ""},
		"a request 15 minutes early":            {exampleLifecycle, -15 * time.Minute, "", ""},
		"a request later than that":             {exampleLifecycle, 15*time.Minute + time.Second, sigv4.RequestTimeTooSkewed, "too large"},
		"a request earlier than that":           {exampleLifecycle, -15*time.Minute - time.Second, sigv4.RequestTimeTooSkewed, "too large"},
		"a presigned request at its end":        {examplePresigned, 24 * time.Hour, "", ""},
		"a presigned request after its end":     {examplePresigned, 24*time.Hour + time.Second, sigv4.AccessDenied, "Request has expired"},
		"a presigned request before its time":   {examplePresigned, -15 * time.Minute, "", ""},
		"a presigned request before that by 1s": {examplePresigned, -15*time.Minute - time.Second, sigv4.AccessDenied, "Request is not valid yet"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := exampleVerifier(c.after).Verify(t.Context(), parse(t, c.head, ""))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := checkRefused(t, err, c.want); !strings.Contains(e.Message, c.words) || e.Extra("ServerTime") == "" {
				t.Errorf("got %+v, want %q", e, c.words)
			}
		})
	}
}

func TestStrictRegionNamesTheExpectedOne(t *testing.T) {
	now := func() time.Time { return exampleTime }
	for head, code := range map[string]sigv4.Code{
		exampleLifecycle: sigv4.AuthorizationHeaderMalformed,
		examplePresigned: sigv4.AuthorizationQueryParametersError,
	} {
		v := sigv4.New(secrets, sigv4.Settings{Region: "home", StrictRegion: true, Now: now})
		_, err := v.Verify(t.Context(), parse(t, head, ""))
		e := checkRefused(t, err, code)
		if e.Extra("Region") != "home" || !strings.Contains(e.Message, "the region 'us-east-1' is wrong; expecting 'home'") {
			t.Errorf("got %+v", e)
		}
		v = sigv4.New(secrets, sigv4.Settings{StrictRegion: true, Now: now})
		if _, err := v.Verify(t.Context(), parse(t, head, "")); err != nil {
			t.Errorf("the right region: %v", err)
		}
	}
}

func TestRequestsWithoutCredentialsAreAnonymous(t *testing.T) {
	cases := map[string]struct {
		header  map[string]string
		payload sigv4.Payload
		want    sigv4.Code
	}{
		"nothing":                    {nil, sigv4.PayloadUnsigned, ""},
		"an unsigned payload":        {map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}, sigv4.PayloadUnsigned, ""},
		"a hash":                     {map[string]string{"X-Amz-Content-Sha256": strings.Repeat("a", 64)}, sigv4.PayloadHash, ""},
		"trailers":                   {map[string]string{"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, sigv4.PayloadUnsignedChunksTrailer, ""},
		"chunks signed with nothing": {map[string]string{"X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, 0, sigv4.InvalidArgument},
		"a payload that is none":     {map[string]string{"X-Amz-Content-Sha256": "x"}, 0, sigv4.InvalidArgument},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := parse(t, "GET /b/%2E%2E/k?a=b HTTP/1.1\nHost: localhost", "")
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			got, err := exampleVerifier(0).Verify(t.Context(), r)
			if c.want != "" {
				checkRefused(t, err, c.want)
				return
			}
			if err != nil || !got.Anonymous || got.AccessKeyID != "" || got.Payload != c.payload || got.Chain() != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got.Path != "/b/../k" || !maps.EqualFunc(got.Query, url.Values{"a": {"b"}}, slices.Equal) {
				t.Errorf("got path %q and query %v", got.Path, got.Query)
			}
		})
	}
}

// TestAFailedLookupIsNoRefusal: a catalog that cannot answer must not look to the client like a key that does not exist.
func TestAFailedLookupIsNoRefusal(t *testing.T) {
	down := errors.New("catalog is down")
	lookups := map[string]sigv4.SecretFunc{
		"an error":        func(context.Context, string) (string, error) { return "", down },
		"an empty secret": func(context.Context, string) (string, error) { return "", nil },
	}
	for name, lookup := range lookups {
		t.Run(name, func(t *testing.T) {
			v := sigv4.New(lookup, sigv4.Settings{Now: func() time.Time { return exampleTime }})
			_, err := v.Verify(t.Context(), parse(t, exampleLifecycle, ""))
			if _, refused := errors.AsType[*sigv4.Error](err); err == nil || refused {
				t.Errorf("got %v, want an error that is no refusal", err)
			}
		})
	}
}

// TestASecretThatChangedEndsOldSignatures: the remembered signing keys must not outlive their secret.
func TestASecretThatChangedEndsOldSignatures(t *testing.T) {
	secret := exampleSecret
	v := sigv4.New(func(context.Context, string) (string, error) { return secret, nil },
		sigv4.Settings{Now: func() time.Time { return exampleTime }})
	for range 2 { // the second time with the remembered key
		if _, err := v.Verify(t.Context(), parse(t, exampleLifecycle, "")); err != nil {
			t.Fatal(err)
		}
	}
	secret = otherSecret
	_, err := v.Verify(t.Context(), parse(t, exampleLifecycle, ""))
	checkRefused(t, err, sigv4.SignatureDoesNotMatch)
}

// TestAMismatchShowsWhatWasSigned but not what is secret.
func TestAMismatchShowsWhatWasSigned(t *testing.T) {
	r := newRequest(t)
	r.Header.Set("X-Amz-Server-Side-Encryption-Customer-Key", "c2VjcmV0IG9mIHRoZSBjdXN0b21lcg==")
	signed := send(t, signer.SignV4(*r, exampleKey, exampleSecret, "a-session-token", "eu-west-3"))
	v := sigv4.New(secrets, sigv4.Settings{})
	got, err := v.Verify(t.Context(), signed)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(text, exampleSecret) || strings.Contains(text, "signingKey{") {
		t.Errorf("the result shows the key: %s", text)
	}
	signed.Method = "POST"
	_, err = v.Verify(t.Context(), signed)
	e := checkRefused(t, err, sigv4.SignatureDoesNotMatch)
	canonical := e.Extra("CanonicalRequest")
	if !strings.HasPrefix(canonical, "POST\n/photos/a%20cat.jpg\nnote=a%20b&partNumber=2&uploadId=abc\ncontent-type:image/jpeg\nhost:storage.example:3900\n") ||
		!strings.Contains(canonical, "\nx-amz-server-side-encryption-customer-key:***\n") || !strings.Contains(canonical, "\nx-amz-security-token:***\n") ||
		!strings.HasSuffix(canonical, "\nUNSIGNED-PAYLOAD") {
		t.Errorf("canonical request:\n%s", canonical)
	}
	if !strings.HasPrefix(e.Extra("StringToSign"), "AWS4-HMAC-SHA256\n") || e.Extra("AWSAccessKeyId") != exampleKey || e.Extra("SignatureProvided") == "" {
		t.Errorf("got %+v", e)
	}
	if text := fmt.Sprintf("%+v", *e); strings.Contains(text, "c2VjcmV0") || strings.Contains(text, "a-session-token") {
		t.Errorf("the error shows a secret of the client: %s", text)
	}
	if e.Extra("NoSuchElement") != "" {
		t.Error("an extra that is not there has a value")
	}
}
