package sigv4_test

import (
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"testing"

	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
)

// TestExamplesOfTheReference verifies the requests of the S3 API reference, "Examples: Signature Calculations", "Authenticating
// Requests: Using Query Parameters", and the two on chunked uploads, with the signatures printed there.
func TestExamplesOfTheReference(t *testing.T) {
	const credential = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	content := strings.Repeat("a", 66560)
	cases := map[string]struct {
		head, body string
		payload    sigv4.Payload
		presigned  bool
		path       string
		content    string
	}{
		"GET of a range": {
			head: `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
Range: bytes=0-9
x-amz-content-sha256: ` + empty + `
x-amz-date: 20130524T000000Z`,
			payload: sigv4.PayloadHash, path: "/test.txt",
		},
		"PUT of an object": {
			head: `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Content-Length: 21
Date: Fri, 24 May 2013 00:00:00 GMT
Authorization: ` + credential + `SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072`,
			body:    "Welcome to Amazon S3.",
			payload: sigv4.PayloadHash, path: "/test$file.text", content: "Welcome to Amazon S3.",
		},
		"GET of the lifecycle": {
			head: `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543
x-amz-date: 20130524T000000Z
x-amz-content-sha256: ` + empty,
			payload: sigv4.PayloadHash, path: "/",
		},
		"a list of objects": {
			head: `GET /?max-keys=2&prefix=J HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Authorization: ` + credential + `SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7
x-amz-date: 20130524T000000Z
x-amz-content-sha256: ` + empty,
			payload: sigv4.PayloadHash, path: "/",
		},
		"a presigned GET": {
			head: `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com`,
			payload: sigv4.PayloadUnsigned, presigned: true, path: "/test.txt",
		},
		"an upload in signed chunks": {
			head: `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: ` + credential + `SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
Content-Length: 66824`,
			body: "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + content[:65536] + "\r\n" +
				"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + content[:1024] + "\r\n" +
				"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
			payload: sigv4.PayloadSignedChunks, path: "/examplebucket/chunkObject.txt", content: content,
		},
		"an upload in signed chunks with a trailer": {
			head: `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
Authorization: ` + credential + `SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
x-amz-trailer: x-amz-checksum-crc32c
Content-Length: 66946`,
			body: "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + content[:65536] + "\r\n" +
				"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + content[:1024] + "\r\n" +
				"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
				"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
				"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
			payload: sigv4.PayloadSignedChunksTrailer, path: "/examplebucket/chunkObject.txt", content: content,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := parse(t, c.head, c.body)
			got, err := exampleVerifier(0).Verify(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != exampleKey || got.Anonymous || got.Presigned != c.presigned || got.Payload != c.payload ||
				got.Path != c.path || !got.Date.Equal(exampleTime) || got.Region != "us-east-1" || !slices.Contains(got.SignedHeaders, "host") {
				t.Errorf("got %+v", got)
			}
			body, err := chunked.Open(r, got)
			if err != nil {
				t.Fatal(err)
			}
			if content, err := io.ReadAll(body); err != nil || string(content) != c.content {
				t.Errorf("body: got %d bytes, %v, want %d", len(content), err, len(c.content))
			}
			if got.Payload.Trailer() && body.Trailer()["x-amz-checksum-crc32c"] != "sOO8/Q==" {
				t.Errorf("trailers: got %v", body.Trailer())
			}
		})
	}
}

// examplePost is the form of the S3 API reference, "Example: Browser-Based Upload using HTTP POST".
func examplePost() map[string]string {
	policy := `{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}`
	return map[string]string{
		"key":              "user/user1/${filename}",
		"policy":           base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(policy, "\n", "\r\n"))),
		"x-amz-algorithm":  "AWS4-HMAC-SHA256",
		"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
		"x-amz-date":       "20151229T000000Z",
		"x-amz-signature":  "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
	}
}

func TestPostPolicy(t *testing.T) {
	set := func(name, value string) func(map[string]string) {
		return func(fields map[string]string) { fields[name] = value }
	}
	cases := map[string]struct {
		change func(map[string]string)
		code   sigv4.Code
	}{
		"the example of the reference":    {func(map[string]string) {}, ""},
		"fields outside the policy":       {set("file", "x"), ""},
		"another policy":                  {set("policy", "e30="), sigv4.SignatureDoesNotMatch},
		"another signature":               {set("x-amz-signature", strings.Repeat("0", 64)), sigv4.SignatureDoesNotMatch},
		"another key":                     {set("x-amz-credential", otherKey+"/20151229/us-east-1/s3/aws4_request"), sigv4.SignatureDoesNotMatch},
		"an unknown key":                  {set("x-amz-credential", "nobody/20151229/us-east-1/s3/aws4_request"), sigv4.InvalidAccessKeyID},
		"another region":                  {set("x-amz-credential", exampleKey+"/20151229/eu-west-1/s3/aws4_request"), sigv4.SignatureDoesNotMatch},
		"another service":                 {set("x-amz-credential", exampleKey+"/20151229/us-east-1/sts/aws4_request"), sigv4.InvalidArgument},
		"a credential of another day":     {set("x-amz-credential", exampleKey+"/20151230/us-east-1/s3/aws4_request"), sigv4.InvalidArgument},
		"a date that is none":             {set("x-amz-date", "today"), sigv4.InvalidArgument},
		"another mechanism":               {set("x-amz-algorithm", "AWS4-HMAC-SHA1"), sigv4.InvalidRequest},
		"asymmetric keys":                 {set("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256"), sigv4.NotImplemented},
		"an empty signature":              {set("x-amz-signature", ""), sigv4.InvalidArgument},
		"no policy":                       {func(f map[string]string) { delete(f, "policy") }, sigv4.InvalidArgument},
		"no signature":                    {func(f map[string]string) { delete(f, "x-amz-signature") }, sigv4.InvalidArgument},
		"a signature of the version two":  {set("awsaccesskeyid", exampleKey), sigv4.InvalidRequest},
		"a policy and nothing to sign it": {func(f map[string]string) { clear(f); f["policy"] = "e30=" }, sigv4.InvalidArgument},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fields := examplePost()
			c.change(fields)
			got, err := exampleVerifier(0).VerifyPostPolicy(t.Context(), fields)
			if c.code != "" {
				checkRefused(t, err, c.code)
				return
			}
			if err != nil || got.AccessKeyID != exampleKey || got.Anonymous || got.Region != "us-east-1" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if got, err := exampleVerifier(0).VerifyPostPolicy(t.Context(), map[string]string{"key": "a"}); err != nil || !got.Anonymous {
		t.Errorf("no credentials: got %+v, %v, want an anonymous result", got, err)
	}
}
