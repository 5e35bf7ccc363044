package sigv4_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzVerify sends hostile headers and queries. Nothing that is not one of the examples may be believed to be signed.
func FuzzVerify(f *testing.F) {
	lifecycle := "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	presigned := strings.TrimSuffix(strings.TrimPrefix(strings.Split(examplePresigned, "\n")[0], "GET "), " HTTP/1.1")
	f.Add("/?lifecycle", lifecycle, "20130524T000000Z", empty, "")
	f.Add(presigned, "", "", "", "")
	f.Add(presigned+"&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD", "", "Fri, 24 May 2013 00:00:00 GMT", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-acl")
	f.Add("/%zz?&;=%", "AWS4-HMAC-SHA256 Credential=,SignedHeaders=;,Signature=", "", "", "")
	f.Add("http://host/?a", "AWS a:b", "", "", "")
	v := exampleVerifier(0)
	f.Fuzz(func(t *testing.T, uri, authorization, date, payload, extra string) {
		r := &http.Request{
			Method: "GET", RequestURI: uri, Host: "examplebucket.s3.amazonaws.com",
			URL: &url.URL{Path: uri, RawQuery: uri}, Header: http.Header{},
		}
		for name, value := range map[string]string{
			"Authorization": authorization, "X-Amz-Date": date, "X-Amz-Content-Sha256": payload, extra: "1",
		} {
			if value != "" && name != "" {
				r.Header.Set(name, value)
			}
		}
		got, err := v.Verify(t.Context(), r)
		if err != nil || got.Anonymous {
			return
		}
		known := got.Presigned && got.Path == "/test.txt" && len(got.Query) == 6 ||
			got.Path == "/" && len(got.Query) == 1 && got.Query.Has("lifecycle")
		if !known || got.AccessKeyID != exampleKey || strings.HasPrefix(strings.ToLower(extra), "x-amz-") && r.Header.Get(extra) == "1" {
			t.Fatalf("believed %q with %+v", uri, got)
		}
	})
}

func FuzzVerifyPostPolicy(f *testing.F) {
	example := examplePost()
	f.Add(example["policy"], example["x-amz-credential"], example["x-amz-date"], example["x-amz-signature"])
	f.Add("", "////", "0", "x")
	v := exampleVerifier(0)
	f.Fuzz(func(t *testing.T, policy, credential, date, signature string) {
		got, err := v.VerifyPostPolicy(t.Context(), map[string]string{
			"policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential,
			"x-amz-date": date, "x-amz-signature": signature,
		})
		if err == nil && (got.Anonymous || policy != example["policy"] || signature != example["x-amz-signature"]) {
			t.Fatalf("believed %q", policy)
		}
	})
}
