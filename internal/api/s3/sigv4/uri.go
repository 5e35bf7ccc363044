package sigv4

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// DecodePath decodes each %-escape of a path once and changes nothing else: "+" stays, "%2F" becomes "/", "..", "//" and bytes that
// are no UTF-8 are kept. The error is an *Error with InvalidURI when an escape is not one.
func DecodePath(raw string) (string, error) {
	path, err := url.PathUnescape(raw)
	if err != nil {
		return "", invalidURI()
	}
	return path, nil
}

// param is one parameter of the query, decoded.
type param struct{ name, value string }

// target is the part of the request line that is signed, decoded.
type target struct {
	path  string
	query []param // in the order of the request
}

// targetOf reads the target as the client sent it. It prefers RequestURI, because handlers in between may have rewritten r.URL.
func targetOf(r *http.Request) (target, *Error) {
	rawPath, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(r.RequestURI, "/") { // absolute form, or a request that came by no wire
		rawPath, rawQuery = r.URL.EscapedPath(), r.URL.RawQuery
	}
	path, err := url.PathUnescape(cmp.Or(rawPath, "/"))
	if err != nil {
		return target{}, invalidURI()
	}
	query, err := parseQuery(rawQuery)
	if err != nil {
		return target{}, invalidURI()
	}
	return target{path, query}, nil
}

// parseQuery differs from url.ParseQuery in that it loses nothing: ";" is a character like others, and a wrong escape is an error.
// A "+" is a space, as in HTML forms.
func parseQuery(raw string) ([]param, error) {
	if raw == "" {
		return nil, nil
	}
	params := make([]param, 0, 1+strings.Count(raw, "&"))
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, err
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, err
		}
		params = append(params, param{name, value})
	}
	return params, nil
}

// values returns the query in the form that handlers use.
func (t target) values() url.Values {
	values := make(url.Values, len(t.query))
	for _, p := range t.query {
		values[p.name] = append(values[p.name], p.value)
	}
	return values
}

// has reports whether the query has a parameter of the name.
func (t target) has(name string) bool {
	return slices.ContainsFunc(t.query, func(p param) bool { return p.name == name })
}

// appendCanonicalPath escapes the path by the rules of SigV4.
func appendCanonicalPath(b []byte, path string) []byte { return appendEscaped(b, path, true) }

// appendCanonicalQuery writes the parameters sorted by escaped name and then value, without the signature itself.
func appendCanonicalQuery(b []byte, query []param) []byte {
	escaped := make([]param, 0, len(query))
	for _, p := range query {
		if p.name != paramSignature {
			escaped = append(escaped, param{escape(p.name), escape(p.value)})
		}
	}
	slices.SortFunc(escaped, func(p, q param) int {
		return cmp.Or(strings.Compare(p.name, q.name), strings.Compare(p.value, q.value))
	})
	for i, p := range escaped {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		b = append(b, '=')
		b = append(b, p.value...)
	}
	return b
}

func escape(s string) string {
	if plain(s) {
		return s
	}
	return string(appendEscaped(nil, s, false))
}

func plain(s string) bool {
	for i := range len(s) {
		if !unreserved(s[i]) {
			return false
		}
	}
	return true
}

// appendEscaped is UriEncode of the S3 API reference: all bytes but the unreserved ones of RFC 3986 become %XX in upper case.
func appendEscaped(b []byte, s string, keepSlash bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || keepSlash && c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
