//go:build accept

package accept

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// xmlKinds are signed requests whose document is not what it should be.
var xmlKinds = map[string]kind{
	"a batch deletion of nonsense": func(rng *rand.Rand, host string) hostile {
		r := &rawRequest{method: http.MethodPost, target: "/" + bucket + "?delete", body: document(rng,
			"<Delete><Object><Key>never</Key></Object></Delete>")}
		return refused(withMD5(r), host, "MalformedXML", "EntityTooLarge", "MaxMessageLengthExceeded", "KeyTooLongError")
	},
	"a batch deletion of too many keys": func(_ *rand.Rand, host string) hostile {
		body := "<Delete>" + strings.Repeat("<Object><Key>never</Key></Object>", 1001) + "</Delete>"
		r := &rawRequest{method: http.MethodPost, target: "/" + bucket + "?delete", body: []byte(body)}
		return refused(withMD5(r), host, "MalformedXML")
	},
	"a batch deletion without its checksum": func(_ *rand.Rand, host string) hostile {
		body := []byte("<Delete><Object><Key>never</Key></Object></Delete>")
		return refused(&rawRequest{method: http.MethodPost, target: "/" + bucket + "?delete", body: body}, host, "InvalidRequest", "MissingContentMD5")
	},
	"a completion of nonsense": func(rng *rand.Rand, host string) hostile {
		body := document(rng, `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`)
		r := &rawRequest{method: http.MethodPost, target: "/" + bucket + "/hostile?uploadId=" + junk2(rng), body: body}
		return refused(r, host)
	},
	"a place of nonsense": func(rng *rand.Rand, host string) hostile {
		body := document(rng, "<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>")
		r := &rawRequest{method: http.MethodPut, target: "/hostile-bucket", body: body}
		return refused(r, host, "MalformedXML", "EntityTooLarge", "MaxMessageLengthExceeded")
	},
}

// document is XML that is cut, nested, endless in meaning, of another root, or none at all.
func document(rng *rand.Rand, good string) []byte {
	return []byte(anyOf(rng,
		good[:1+rng.IntN(len(good)-1)],
		noise(rng, 1+rng.IntN(300)),
		"{\"json\": true}",
		"<Other/>",
		"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>",
		"<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&f;</Key></Object></Delete>",
		strings.Repeat("<a>", 50_000),
		strings.Replace(good, ">", strings.Repeat(" x='y'", 2000)+">", 1)[:2000],
		"<?xml version=\"1.0\" encoding=\"UTF-7\"?>"+good,
		good+good[:20],
		strings.Replace(good, "</", "< /", 1),
		"\x00"+good,
	))
}

// queryKinds are signed requests with parameters of nonsense.
var queryKinds = map[string]kind{
	"a listing of nonsense": func(rng *rand.Rand, host string) hostile {
		parameter := anyOf(rng, "max-keys=-1", "max-keys=x", "max-keys=99999999999999999999", "list-type=2&continuation-token=%00",
			"list-type=2&continuation-token=", "encoding-type=base64", "max-keys=1.5", "list-type=2&continuation-token="+junk2(rng))
		return refused(&rawRequest{method: http.MethodGet, target: "/" + bucket + "?" + parameter}, host, "InvalidArgument")
	},
	"a part of nonsense": func(rng *rand.Rand, host string) hostile {
		r := goodPut("body")
		r.target += "?partNumber=" + anyOf(rng, "0", "-1", "10001", "x", "", "99999999999999999999") + "&uploadId=" + junk2(rng)
		return refused(r, host, "InvalidArgument", "NoSuchUpload")
	},
	"an upload that is none": func(rng *rand.Rand, host string) hostile {
		method := anyOf(rng, http.MethodGet, http.MethodDelete)
		return refused(&rawRequest{method: method, target: "/" + bucket + "/hostile?uploadId=" + junk2(rng)}, host, "NoSuchUpload")
	},
	"a version that is none": func(rng *rand.Rand, host string) hostile {
		return refused(&rawRequest{method: http.MethodGet, target: "/" + bucket + "/good?versionId=" + anyOf(rng, "x", junk2(rng))}, host, "InvalidArgument", "NoSuchVersion")
	},
	"parameters of nonsense": func(rng *rand.Rand, host string) hostile {
		var parameters []string
		for range 1 + rng.IntN(10) {
			parameters = append(parameters, anyOf(rng, "acl", "tagging", "uploads", "versions", "list-type=2", "prefix", "delimiter", "delete",
				"partNumber=1", "location", "torrent", "restore", "select&select-type=2", junk2(rng), junk2(rng)+"="+junk2(rng)))
		}
		r := &rawRequest{method: anyOf(rng, http.MethodGet, http.MethodHead), target: "/" + bucket + anyOf(rng, "", "/", "/good") + "?" + strings.Join(parameters, "&")}
		h := refused(r, host)
		h.mayBeGood, h.mayBeMissing = true, true // what is not known is ignored
		return h
	},
	"a path that cannot be decoded": func(rng *rand.Rand, host string) hostile {
		return refused(&rawRequest{method: http.MethodGet, target: "/" + bucket + "/" + anyOf(rng, "%", "%2", "%zz", "a%", "%%20", "%u1234")}, host)
	},
}

// wireKinds are not even HTTP, or a kind of HTTP that nobody should speak.
var wireKinds = map[string]kind{
	"noise": func(rng *rand.Rand, _ string) hostile {
		return hostile{bytes: []byte(noise(rng, 1+rng.IntN(2000)) + "\r\n\r\n"), mayHangUp: true}
	},
	"a head that is spoilt": func(rng *rand.Rand, host string) hostile {
		return hostile{bytes: spoilt(rng, goodGet().bytes(host)), mayBeGood: true, mayHangUp: true}
	},
	"a head without end": func(rng *rand.Rand, host string) hostile {
		return hostile{bytes: fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\nX: %s\r\n\r\n", host, strings.Repeat("x", 200_000+rng.IntN(10_000)))}
	},
	"a request line without end": func(_ *rand.Rand, host string) hostile {
		return hostile{bytes: fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", strings.Repeat("x", 200_000), host)}
	},
	"a method that is none": func(rng *rand.Rand, host string) hostile {
		r := goodGet()
		r.method = anyOf(rng, "COW", "PATCH", "TRACE", "CONNECT", "get", "LOCK", "PROPFIND")
		return refused(r, host)
	},
	"a method that is not for this": func(rng *rand.Rand, host string) hostile {
		r := &rawRequest{method: anyOf(rng, http.MethodPost, http.MethodDelete, http.MethodPut), target: "/"}
		return refused(r, host, "MethodNotAllowed")
	},
	"no host": func(_ *rand.Rand, host string) hostile {
		text := string(goodGet().bytes(host))
		return hostile{bytes: []byte(strings.Replace(text, "Host: "+host+"\r\n", "", 1))}
	},
	"two hosts": func(_ *rand.Rand, host string) hostile {
		text := string(goodGet().bytes(host))
		return hostile{bytes: []byte(strings.Replace(text, "Host: "+host+"\r\n", "Host: "+host+"\r\nHost: other\r\n", 1))}
	},
	"two lengths": func(rng *rand.Rand, host string) hostile {
		text := string(goodPut("body").bytes(host))
		other := anyOf(rng, "Content-Length: 3", "Content-Length: 4, 3", "Content-Length: 100")
		return hostile{bytes: []byte(strings.Replace(text, "\r\n\r\n", "\r\n"+other+"\r\n\r\n", 1))}
	},
	"a header with a zero byte": func(_ *rand.Rand, host string) hostile {
		text := string(goodGet().bytes(host))
		return hostile{bytes: []byte(strings.Replace(text, "\r\n\r\n", "\r\nX-Zero: a\x00b\r\n\r\n", 1))}
	},
	"a header with spaces in its name": func(_ *rand.Rand, host string) hostile {
		text := string(goodGet().bytes(host))
		return hostile{bytes: []byte(strings.Replace(text, "\r\n\r\n", "\r\nX Space : a\r\n\r\n", 1))}
	},
	"another protocol": func(rng *rand.Rand, _ string) hostile {
		return hostile{mayHangUp: true, bytes: []byte(anyOf(rng, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+noise(rng, 200), "SSH-2.0-OpenSSH_9.2\r\n",
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /\r\n", "HELO me\r\n", "GET http://other/ HTTP/1.1\r\n\r\n"))}
	},
}
