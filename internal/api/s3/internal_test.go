package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"grange/internal/access"
	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
	"grange/internal/catalog"
	"grange/internal/store"
)

func TestEveryRouteHasAnActionThatAccessKnows(t *testing.T) {
	all := 0
	for _, methods := range routes.byPlace {
		for _, list := range methods {
			for _, r := range list {
				all++
				if r.public {
					if r.method != http.MethodOptions {
						t.Errorf("%s asks no permission", r.name)
					}
					continue
				}
				for _, action := range []access.Action{r.action, r.versionAction} {
					if action == "" && r.versionAction == "" && r.action != "" {
						continue
					}
					d := access.Decide(access.Request{Anonymous: true, Action: action})
					if d.Allowed || d.Reason == access.ReasonUnknownAction {
						t.Errorf("%s needs %q: %+v", r.name, action, d)
					}
				}
			}
		}
	}
	if all < 80 {
		t.Errorf("only %d routes", all)
	}
}

func TestNoTwoRoutesMatchTheSameRequestEquallyWell(t *testing.T) {
	seen := make(map[string]string)
	for l, methods := range routes.byPlace {
		for method, list := range methods {
			for _, r := range list {
				place := fmt.Sprint(l, method, r.query, r.header)
				if other := seen[place]; other != "" {
					t.Errorf("%s and %s stand at %s", r.name, other, place)
				}
				seen[place] = r.name
			}
		}
	}
}

func TestDomainErrorsHaveTheirCode(t *testing.T) {
	cases := map[string]struct {
		err  error
		want Code
	}{
		"ErrNoBucket":                {store.ErrNoBucket, NoSuchBucket},
		"ErrBucketExists":            {store.ErrBucketExists, BucketAlreadyExists},
		"ErrBucketOwned":             {store.ErrBucketOwned, BucketAlreadyOwnedByYou},
		"ErrNotEmpty":                {store.ErrNotEmpty, BucketNotEmpty},
		"ErrNoObject":                {store.ErrNoObject, NoSuchKey},
		"ErrDeleteMarker":            {store.ErrDeleteMarker, MethodNotAllowed},
		"ErrLocked":                  {store.ErrLocked, AccessDenied},
		"ErrNoObjectLock":            {store.ErrNoObjectLock, InvalidRequest},
		"ErrBucketState":             {store.ErrBucketState, InvalidBucketState},
		"ErrPrecondition":            {store.ErrPrecondition, PreconditionFailed},
		"ErrNoUpload":                {store.ErrNoUpload, NoSuchUpload},
		"ErrInvalidPart":             {store.ErrInvalidPart, InvalidPart},
		"ErrPartOrder":               {store.ErrPartOrder, InvalidPartOrder},
		"ErrPartTooSmall":            {store.ErrPartTooSmall, EntityTooSmall},
		"ErrTooLarge":                {store.ErrTooLarge, EntityTooLarge},
		"ErrBadRange":                {store.ErrBadRange, InvalidRange},
		"ErrSizeMismatch":            {store.ErrSizeMismatch, IncompleteBody},
		"ErrChecksum":                {store.ErrChecksum, BadDigest},
		"ErrQuota":                   {store.ErrQuota, QuotaExceeded},
		"ErrNoSpace":                 {store.ErrNoSpace, StorageFull},
		"ErrUnavailable":             {store.ErrUnavailable, ServiceUnavailable},
		"ErrCorrupt":                 {store.ErrCorrupt, InternalError},
		"a bad name":                 {catalog.ErrInvalid, InvalidBucketName},
		"a client that left":         {context.Canceled, RequestTimeout},
		"a client that stands still": {os.ErrDeadlineExceeded, RequestTimeout},
		"no time left":               {context.DeadlineExceeded, ServiceUnavailable},
		"something else":             {io.ErrUnexpectedEOF, InternalError},
		"a part with its number":     {&store.PartTooSmallError{Number: 2}, EntityTooSmall},
		"a signature":                {&sigv4.Error{Code: sigv4.AccessDenied}, AccessDenied},
		"a body":                     {&chunked.Error{Code: chunked.IncompleteBody}, IncompleteBody},
		"a body below a put":         {fmt.Errorf("read: %w", &chunked.Error{Code: chunked.MalformedTrailerError}), MalformedTrailer},
		"a digest below a put":       {fmt.Errorf("put: %w", fail(InvalidDigest)), InvalidDigest},
	}
	for name, c := range cases {
		got := fromDomain(fmt.Errorf("while testing: %w", c.err))
		if got.Code != c.want || got.Status() < 400 || got.Error() == "" {
			t.Errorf("%s: got %s %d, want %s", name, got.Code, got.Status(), c.want)
		}
		if !errors.Is(got, &Error{Code: c.want}) || errors.Is(got, &Error{Code: "Other"}) {
			t.Errorf("%s: %v is not its code", name, got)
		}
	}
	for _, name := range storeSentinels(t) {
		if _, ok := cases[name]; !ok {
			t.Errorf("no case for store.%s", name)
		}
	}
}

// storeSentinels are the names of the errors that the store declares.
func storeSentinels(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../store/types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			if name := spec.(*ast.ValueSpec).Names[0].Name; strings.HasPrefix(name, "Err") {
				names = append(names, name)
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("found only %v", names)
	}
	return names
}

func TestEveryCodeHasAStatusAndAText(t *testing.T) {
	for code, info := range codeTable {
		if info.status < 400 || info.status > 599 || info.message == "" {
			t.Errorf("%s: %+v", code, info)
		}
	}
	for _, d := range domainCodes {
		if _, ok := codeTable[d.code]; !ok {
			t.Errorf("%s is not in the table", d.code)
		}
	}
	for _, code := range []sigv4.Code{
		sigv4.AccessDenied, sigv4.AuthorizationHeaderMalformed, sigv4.AuthorizationQueryParametersError, sigv4.InvalidAccessKeyID,
		sigv4.InvalidArgument, sigv4.InvalidRequest, sigv4.InvalidURI, sigv4.NotImplemented, sigv4.RequestTimeTooSkewed,
		sigv4.SignatureDoesNotMatch, chunked.IncompleteBody, chunked.MalformedTrailerError, chunked.MissingContentLength,
		chunked.XAmzContentSHA256Mismatch,
	} {
		if _, ok := codeTable[Code(code)]; !ok {
			t.Errorf("%s is not in the table", code)
		}
	}
}

func TestEscapedTextComesBackFromAnXMLParser(t *testing.T) {
	for _, text := range []string{"", "plain", `<a href="b">&amp;</a>`, "tab\tline\nreturn\r", "ä€😀", "]]>", "'quoted'", "\u2028\ufffd"} {
		var got string
		raw := append(appendEscaped([]byte("<x>"), text), "</x>"...)
		if err := xml.Unmarshal(raw, &got); err != nil || got != text {
			t.Errorf("%q: got %q, %v from %s", text, got, err, raw)
		}
	}
}

func TestWhatXMLCannotCarryIsMarked(t *testing.T) {
	for text, want := range map[string]string{"\x00": "&#x0;", "a\x1fb": "a&#x1f;b", "\xff": "\uFFFD", "a\xc3": "a\uFFFD", "\x7f": "&#x7f;", "\uFFFE": "\uFFFD"} {
		if got := string(appendEscaped(nil, text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzEscaping(f *testing.F) {
	for _, s := range []string{"", "a b+c/d", "<&>\"'", "\x00\xff", "ä%20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := url.PathUnescape(string(appendURLEncoded(nil, s))); err != nil || got != s {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
		raw := append(appendEscaped([]byte("<x>"), s), "</x>"...)
		if !utf8.Valid(raw) {
			t.Errorf("%q is not UTF-8", raw)
		}
		if strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0xFFFD }) >= 0 {
			return
		}
		var got string
		if err := xml.Unmarshal(raw, &got); err != nil || got != s {
			t.Errorf("%q: got %q, %v", s, got, err)
		}
	})
}

func FuzzTokenAndETags(f *testing.F) {
	f.Add("AWE", `W/"a", "b"`)
	f.Add("", "*")
	f.Add("AQ==", `"unclosed`)
	f.Fuzz(func(t *testing.T, token, etags string) {
		if key, err := decodeToken(token); err == nil && encodeToken(key) != token {
			t.Errorf("token %q has another form %q", token, encodeToken(key))
		}
		if got := parseETags(etags); len(got) > len(etags) {
			t.Errorf("%q has %d tags", etags, len(got))
		}
	})
}

func TestETagListsAreReadAsClientsWriteThem(t *testing.T) {
	for text, want := range map[string][]entityTag{
		`"a"`:           {{tag: "a"}},
		`a`:             {{tag: "a"}},
		`"a", W/"b" ,c`: {{tag: "a"}, {tag: "b", weak: true}, {tag: "c"}},
		`"a,b"`:         {{tag: "a,b"}},
		`*`:             {{tag: "*"}},
		` , ,`:          nil,
		`"unclosed`:     {{tag: "unclosed"}},
		`""`:            {{}},
	} {
		if got := parseETags(text); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestTimesInDocumentsHaveMilliseconds(t *testing.T) {
	d := newDocument("x")
	defer d.free()
	for text, at := range map[string]time.Time{
		"<T>2026-01-02T03:04:05.000Z</T>": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"<T>2026-01-02T03:04:05.067Z</T>": time.Date(2026, 1, 2, 3, 4, 5, 67_999_999, time.UTC),
		"<T>2026-01-02T03:04:06.789Z</T>": time.Date(2026, 1, 2, 5, 4, 6, 789_000_000, time.FixedZone("", 7200)),
		"<T>1970-01-01T00:00:00.000Z</T>": time.Unix(0, 0),
	} {
		d.b = d.b[:0]
		d.time("T", at)
		if string(d.b) != text {
			t.Errorf("got %s, want %s", d.b, text)
		}
	}
}

func TestEveryRouteStandsInTheCoverageTable(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/s3-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]bool)
	for _, word := range strings.FieldsFunc(string(raw), func(r rune) bool { return strings.ContainsRune(" ,|`:()\n", r) }) {
		words[word] = true
	}
	for _, methods := range routes.byPlace {
		for _, list := range methods {
			for _, r := range list {
				if !words[r.name] {
					t.Errorf("%s is missing in docs/s3-coverage.md", r.name)
				}
			}
		}
	}
	tests := testNames(t)
	for word := range words {
		if len(word) > len("Test") && (strings.HasPrefix(word, "Test") || strings.HasPrefix(word, "Fuzz")) && !tests[word] {
			t.Errorf("docs/s3-coverage.md names %s, which is no test", word)
		}
	}
}

// testNames are the names of the tests of this package.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
