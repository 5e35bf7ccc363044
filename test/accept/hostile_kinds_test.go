//go:build accept

package accept

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// signatureKinds are requests whose signature is wrong, missing or not all of it.
var signatureKinds = map[string]kind{
	"a signature with another digit": func(rng *rand.Rand, host string) hostile {
		return withAuthorization(host, func(a string) string {
			digit := anyOf(rng, 'g', 'x', '0', 'f')
			at := len(a) - 1 - rng.IntN(64)
			if a[at] == byte(digit) {
				digit = '~'
			}
			return a[:at] + string(digit) + a[at+1:]
		}, "SignatureDoesNotMatch", "AuthorizationHeaderMalformed")
	},
	"an Authorization that is cut": func(rng *rand.Rand, host string) hostile {
		return withAuthorization(host, func(a string) string { return a[:1+rng.IntN(len(a)-1)] })
	},
	"an Authorization of junk": func(rng *rand.Rand, host string) hostile {
		return withAuthorization(host, func(string) string {
			return anyOf(rng, "", "AWS4-HMAC-SHA256 ", "AWS ", "Bearer ", "Basic ") + junk(rng, 200)
		})
	},
	"an Authorization that is spoilt": func(rng *rand.Rand, host string) hostile {
		h := withAuthorization(host, func(a string) string { return clean(string(spoilt(rng, []byte(a)))) })
		h.mayBeGood = true // a doubled space or comma changes nothing
		return h
	},
	"a long Authorization": func(rng *rand.Rand, host string) hostile {
		return withAuthorization(host, func(a string) string { return a + strings.Repeat(anyOf(rng, ";x", ",", "A", "/"), 10_000) })
	},
	"a signed header that was changed": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("x-amz-meta-colour", "brown")
		r.set("Content-Length", "4")
		headers, _ := r.sign(host)
		at := slices.IndexFunc(headers, func(h header) bool { return h.name == "x-amz-meta-colour" })
		headers[at].value = "b" + junk(rng, 20)
		return hostile{bytes: append(r.headOf(headers), r.body...), codes: []string{"SignatureDoesNotMatch"}}
	},
	"an x-amz header that is not signed": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.unsigned = []header{{anyOf(rng, "x-amz-meta-x", "x-amz-acl", "x-amz-copy-source", "X-Amz-Tagging"), "value"}}
		return refused(r, host, "AccessDenied")
	},
	"no date": func(_ *rand.Rand, host string) hostile {
		r := goodGet()
		headers, _ := r.sign(host)
		headers = slices.DeleteFunc(headers, func(h header) bool { return h.name == "x-amz-date" })
		return hostile{bytes: r.headOf(headers)}
	},
	"a date of junk": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		headers, _ := r.sign(host)
		headers[1].value = anyOf(rng, junk(rng, 30), "20260101", "00000000T000000Z", "99999999T999999Z", "20261301T000000Z")
		return hostile{bytes: r.headOf(headers)}
	},
	"a date of another day": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		r.at = time.Now().Add(time.Duration(1+rng.IntN(1000)) * anyOf[time.Duration](rng, -1, 1) * 24 * time.Hour)
		return refused(r, host, "RequestTimeTooSkewed")
	},
	"a presigned URL of junk": func(rng *rand.Rand, host string) hostile {
		parameters := []string{
			"X-Amz-Algorithm=" + anyOf(rng, "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", junk2(rng)),
			"X-Amz-Credential=" + anyOf(rng, escape(accessKey+"/"+time.Now().UTC().Format("20060102")+"/grange/s3/aws4_request", false), junk2(rng)),
			"X-Amz-Date=" + anyOf(rng, time.Now().UTC().Format("20060102T150405Z"), junk2(rng)),
			"X-Amz-Expires=" + anyOf(rng, "0", "-1", "604801", "99999999999999999999", "60", "abc"),
			"X-Amz-SignedHeaders=" + anyOf(rng, "host", "", junk2(rng)),
			"X-Amz-Signature=" + anyOf(rng, strings.Repeat("0", 64), "", junk2(rng)),
		}
		rng.Shuffle(len(parameters), func(i, j int) { parameters[i], parameters[j] = parameters[j], parameters[i] })
		target := "/" + bucket + "/good?" + strings.Join(parameters[:1+rng.IntN(len(parameters))], "&")
		return hostile{bytes: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)}
	},
	"no credentials": func(rng *rand.Rand, host string) hostile {
		method := anyOf(rng, "GET", "PUT", "DELETE", "POST", "HEAD")
		target := anyOf(rng, "/", "/"+bucket, "/"+bucket+"/good", "/"+bucket+"?delete", "/"+bucket+"/x?uploads", "/no-such-bucket/x")
		return hostile{bytes: fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, target, host)}
	},
}

// withAuthorization changes the Authorization of a good request.
func withAuthorization(host string, change func(string) string, codes ...string) hostile {
	r := goodGet()
	headers, _ := r.sign(host)
	headers[len(headers)-1].value = change(headers[len(headers)-1].value)
	return hostile{bytes: r.headOf(headers), codes: codes}
}

// clean drops what would end a header line.
func clean(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }

// junk2 is junk for a query.
func junk2(rng *rand.Rand) string { return escape(noise(rng, 1+rng.IntN(40)), false) }

// headerKinds are signed requests whose headers ask for nonsense.
var headerKinds = map[string]kind{
	"a checksum that is none": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("x-amz-checksum-"+anyOf(rng, "crc32", "crc32c", "crc64nvme", "sha1", "sha256"), anyOf(rng, "AAAA", "", "?", junk(rng, 40)))
		return refused(r, host, "InvalidRequest", "BadDigest")
	},
	"two checksums": func(_ *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("x-amz-checksum-crc32", "2GOvNg==")
		r.set("x-amz-checksum-sha1", "Av06uTmcHxEgpZJdCuWIY7NE3mA=")
		return refused(r, host, "InvalidRequest")
	},
	"a Content-MD5 that is none": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("Content-MD5", anyOf(rng, "", "AAAA", junk(rng, 40), strings.Repeat("A", 1000)))
		return refused(r, host, "InvalidDigest")
	},
	"the Content-MD5 of something else": func(_ *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
		return refused(r, host, "BadDigest")
	},
	"a copy source that is none": func(rng *rand.Rand, host string) hostile {
		r := goodPut("")
		r.set("x-amz-copy-source", anyOf(rng, "", "/", "//", "nothing", "/"+bucket, "%zz/%", "/"+bucket+"/never", "no-such-bucket/x", "?versionId=", junk(rng, 60)))
		return refused(r, host)
	},
	"too much metadata": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("x-amz-meta-"+strings.Repeat("n", 1+rng.IntN(100)), strings.Repeat("v", 2048+rng.IntN(1000)))
		return refused(r, host, "MetadataTooLarge")
	},
	"a storage class that is none": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("x-amz-storage-class", "COW"+clean(junk(rng, 10)))
		return refused(r, host, "InvalidStorageClass")
	},
	"a content hash that is none": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.payloadHash = anyOf(rng, "STREAMING-NONSENSE", "x", strings.Repeat("g", 64), junk(rng, 64))
		return refused(r, host)
	},
	"conditions of junk": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		for _, name := range []string{"If-Match", "If-Modified-Since", "If-Unmodified-Since", "Range", "If-Range", "Accept-Encoding", "x-amz-checksum-mode"} {
			if rng.IntN(2) == 0 {
				r.set(name, junk(rng, 40))
			}
		}
		h := refused(r, host)
		h.mayBeGood = true // what cannot be parsed counts as absent
		return h
	},
	"a range of junk": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		n := func() string {
			return anyOf(rng, "", "-", "0", "999", "1000", "18446744073709551616", "-1", "9223372036854775807", junk(rng, 5))
		}
		r.set("Range", anyOf(rng, "bytes=", "bytes", "Bytes=", "items=")+n()+anyOf(rng, "-", ",", "")+n())
		h := refused(r, host)
		h.mayBeGood = true // a range that cannot be parsed is ignored (RFC 9110, 14.2)
		return h
	},
	"many headers": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		for i := range 2000 {
			r.unsigned = append(r.unsigned, header{fmt.Sprintf("X-Filler-%d", i), strings.Repeat("f", 100+rng.IntN(100))})
		}
		return refused(r, host)
	},
}

// bodyKinds are uploads whose length or bytes are others than said.
var bodyKinds = map[string]kind{
	"bytes other than the hash": func(rng *rand.Rand, host string) hostile {
		r := goodPut("right")
		r.body = []byte(junk(rng, 5000) + "wrong")
		return refused(r, host, "XAmzContentSHA256Mismatch")
	},
	"a Content-Length of junk": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("Content-Length", anyOf(rng, "-1", "abc", "4.0", "0x4", "9223372036854775808", "4 4", "+4"))
		return refused(r, host)
	},
	"a Content-Length beyond all bounds": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.set("Content-Length", anyOf(rng, "5368709121", "9223372036854775807", "109951162777600"))
		return refused(r, host, "EntityTooLarge")
	},
	"no Content-Length": func(_ *rand.Rand, host string) hostile {
		r := goodPut("4\r\nbody\r\n0\r\n\r\n")
		r.payloadHash = hexSum("body")
		r.set("Transfer-Encoding", "chunked")
		return refused(r, host, "MissingContentLength")
	},
	"a key that is too long": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.target = "/" + bucket + "/" + strings.Repeat("k", 1025+rng.IntN(3000))
		return refused(r, host, "KeyTooLongError")
	},
	"a bucket name that is none": func(rng *rand.Rand, host string) hostile {
		r := &rawRequest{method: http.MethodPut}
		r.target = "/" + anyOf(rng, "ab", "UPPER", "under_score", "-dash", "dash-", "dot..dot", "192.168.1.1", strings.Repeat("b", 64), "b%00b", "b%2Fb%2F")
		return refused(r, host, "InvalidBucketName", "MissingContentLength", "InvalidRequest", "MethodNotAllowed", "NoSuchBucket")
	},
}

// chunkKinds are bodies in signed or unsigned chunks (aws-chunked) that are framed or signed wrongly.
var chunkKinds = map[string]kind{
	"chunks that are spoilt": func(rng *rand.Rand, host string) hostile {
		good, content := chunked(rng, host, nil)
		head := bytes.Index(good, []byte("\r\n\r\n")) + 4
		// A length that no longer fits leaves a rest behind or waits for more; both are the client's fault.
		return hostile{bytes: append(good[:head:head], spoilt(rng, good[head:])...), means: content}
	},
	"chunks that end early": func(rng *rand.Rand, host string) hostile {
		good, _ := chunked(rng, host, nil)
		head := bytes.Index(good, []byte("\r\n\r\n")) + 4
		return hostile{bytes: good[:head+rng.IntN(len(good)-head-2)]}
	},
	"chunks of a wrong decoded length": func(rng *rand.Rand, host string) hostile {
		wrong, _ := chunked(rng, host, func(n int) string {
			return anyOf(rng, fmt.Sprint(n+1), fmt.Sprint(n-1), "0", "-1", "x", "", "99999999999999999999")
		})
		return hostile{bytes: wrong}
	},
	"unsigned chunks of nonsense": func(rng *rand.Rand, host string) hostile {
		body := anyOf(rng,
			"zz\r\nbody\r\n0\r\n\r\n", "4\nbody\n0\n\n", "ffffffffffffffff\r\nbody", "-4\r\nbody\r\n0\r\n\r\n", "4\r\nbodyX0\r\n\r\n",
			"4\r\nbody\r\n", "4;"+strings.Repeat("x", 100_000)+"\r\nbody\r\n0\r\n\r\n", noise(rng, 100), "\r\n", "0\r\n",
			"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", // not the checksum of body
			"4\r\nbody\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", "4\r\nbody\r\n0\r\nx-amz-other:1\r\n\r\n",
			"4\r\nbody\r\n0\r\n"+strings.Repeat("x-amz-checksum-crc32:2GOvNg==\r\n", 5000)+"\r\n",
		)
		r := goodPut(body)
		r.payloadHash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		r.set("x-amz-decoded-content-length", "4")
		r.set("x-amz-trailer", "x-amz-checksum-crc32")
		r.set("Content-Encoding", "aws-chunked")
		return refused(r, host)
	},
}

// chunked is a good upload of three signed chunks (AWS, "Transferring Payload in Multiple Chunks"). length, if given, says
// what to announce as the decoded length.
func chunked(rng *rand.Rand, host string, length func(int) string) (request, content []byte) {
	chunks := [][]byte{[]byte(noise(rng, 1000)), []byte(noise(rng, 1+rng.IntN(500))), nil}
	content = slices.Concat(chunks...)
	r := goodPut("")
	r.target = "/" + bucket + "/" + spoiltKey
	r.payloadHash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	decoded := fmt.Sprint(len(content))
	if length != nil {
		decoded = length(len(content))
	}
	r.set("x-amz-decoded-content-length", decoded)
	r.set("Content-Encoding", "aws-chunked")
	r.unsigned = []header{{"Content-Length", fmt.Sprint(len(frame(chunks, seed{})))}}
	headers, s := r.sign(host)
	return append(r.headOf(headers), frame(chunks, s)...), content
}

// frame puts chunks and their signatures together.
func frame(chunks [][]byte, s seed) []byte {
	var b bytes.Buffer
	previous := s.signature
	for _, chunk := range chunks {
		text := "AWS4-HMAC-SHA256-PAYLOAD\n" + s.date + "\n" + s.scope + "\n" + previous + "\n" + hexSum("") + "\n" + hexSum(string(chunk))
		previous = fmt.Sprintf("%x", mac(s.key, text))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s\r\n", len(chunk), previous, chunk)
	}
	return b.Bytes()
}
