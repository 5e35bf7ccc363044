package s3_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// listResult is what tests read of a listing.
type listResult struct {
	Name                  string
	Prefix                string
	Marker                string
	NextMarker            string
	StartAfter            string
	ContinuationToken     string
	NextContinuationToken string
	KeyCount              int
	MaxKeys               int
	Delimiter             string
	EncodingType          string
	IsTruncated           bool
	Contents              []struct {
		Key               string
		LastModified      string
		ETag              string
		Size              int64
		StorageClass      string
		ChecksumAlgorithm string
		Owner             *struct{ ID, DisplayName string }
	}
	CommonPrefixes []struct{ Prefix string }
}

func (l listResult) keys() []string {
	var keys []string
	for _, c := range l.Contents {
		keys = append(keys, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		keys = append(keys, p.Prefix)
	}
	return keys
}

func (w *world) list(t *testing.T, bucket, params string) listResult {
	t.Helper()
	r := w.must(query{method: "GET", path: "/" + bucket + "?" + params})
	var l listResult
	if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

// listAll walks a bucket in small pages.
func (w *world) listAll(t *testing.T, bucket, params string) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	token := ""
	for range 1000 {
		l := w.list(t, bucket, "list-type=2&max-keys=7"+params+token)
		for _, c := range l.Contents {
			key, err := url.PathUnescape(c.Key)
			if err != nil {
				t.Fatal(err)
			}
			all[key] = true
		}
		if !l.IsTruncated {
			return all
		}
		token = "&continuation-token=" + url.QueryEscape(l.NextContinuationToken)
	}
	t.Fatal("the listing does not end")
	return nil
}

func TestListObjects(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	for _, key := range []string{"a", "b/1", "b/2", "b/c/3", "d e", "f+g", "z"} {
		w.putObject("/box/"+escapeAll(key), key)
	}
	cases := map[string]struct {
		params string
		keys   []string
		check  func(listResult) bool
	}{
		"all keys in order": {
			params: "list-type=2", keys: []string{"a", "b/1", "b/2", "b/c/3", "d e", "f+g", "z"},
			check: func(l listResult) bool {
				return l.KeyCount == 7 && l.MaxKeys == 1000 && !l.IsTruncated && l.Name == "box"
			},
		},
		"version 1 has the same keys, and owners": {
			params: "", keys: []string{"a", "b/1", "b/2", "b/c/3", "d e", "f+g", "z"},
			check: func(l listResult) bool {
				return l.Contents[0].Owner != nil && l.Contents[0].Owner.DisplayName == "owner" && len(l.Contents[0].Owner.ID) == 64
			},
		},
		"version 2 has no owners unless asked": {
			params: "list-type=2", keys: []string{"a", "b/1", "b/2", "b/c/3", "d e", "f+g", "z"},
			check: func(l listResult) bool { return l.Contents[0].Owner == nil },
		},
		"version 2 has owners when asked": {
			params: "list-type=2&fetch-owner=true", keys: []string{"a", "b/1", "b/2", "b/c/3", "d e", "f+g", "z"},
			check: func(l listResult) bool { return l.Contents[0].Owner != nil },
		},
		"an entry tells size, ETag, checksum and class": {
			params: "list-type=2&prefix=a", keys: []string{"a"},
			check: func(l listResult) bool {
				c := l.Contents[0]
				return c.Size == 1 && c.ETag == etag("a") && c.StorageClass == "STANDARD" && c.ChecksumAlgorithm == "CRC64NVME" && len(c.LastModified) == 24
			},
		},
		"a delimiter rolls keys up": {
			params: "list-type=2&delimiter=/", keys: []string{"a", "d e", "f+g", "z", "b/"},
			check: func(l listResult) bool { return l.KeyCount == 5 && l.Delimiter == "/" },
		},
		"a prefix and a delimiter": {
			params: "list-type=2&delimiter=/&prefix=b/", keys: []string{"b/1", "b/2", "b/c/"},
			check: func(l listResult) bool { return l.Prefix == "b/" },
		},
		"an empty delimiter is none": {
			params: "list-type=2&delimiter=&prefix=b", keys: []string{"b/1", "b/2", "b/c/3"},
			check: func(l listResult) bool { return l.Delimiter == "" },
		},
		"start-after": {
			params: "list-type=2&start-after=b/2", keys: []string{"b/c/3", "d e", "f+g", "z"},
			check: func(l listResult) bool { return l.StartAfter == "b/2" },
		},
		"marker": {
			params: "marker=d%20e", keys: []string{"f+g", "z"}, check: func(l listResult) bool { return l.Marker == "d e" },
		},
		"a marker that is a common prefix goes on behind it": {
			params: "delimiter=/&marker=b/", keys: []string{"d e", "f+g", "z"}, check: func(l listResult) bool { return true },
		},
		"version 1 names the next marker only with a delimiter": {
			params: "delimiter=/&max-keys=2", keys: []string{"a", "b/"},
			check: func(l listResult) bool { return l.IsTruncated && l.NextMarker == "b/" },
		},
		"version 1 without a delimiter leaves the marker to the client": {
			params: "max-keys=2", keys: []string{"a", "b/1"}, check: func(l listResult) bool { return l.IsTruncated && l.NextMarker == "" },
		},
		"max-keys=0 is an empty page that is not truncated": {
			params: "list-type=2&max-keys=0", check: func(l listResult) bool { return !l.IsTruncated && l.KeyCount == 0 && l.MaxKeys == 0 },
		},
		"a max-keys above 1,000 is 1,000": {
			params: "list-type=2&max-keys=5000&prefix=z", keys: []string{"z"}, check: func(l listResult) bool { return l.MaxKeys == 1000 },
		},
		"encoding-type=url encodes keys and parameters": {
			params: "list-type=2&encoding-type=url&start-after=c%20c", keys: []string{"d%20e", "f%2Bg", "z"},
			check: func(l listResult) bool { return l.EncodingType == "url" && l.StartAfter == "c%20c" },
		},
		"encoding-type=url leaves slashes alone": {
			params: "encoding-type=url&prefix=b/&delimiter=/", keys: []string{"b/1", "b/2", "b/c/"},
			check: func(l listResult) bool { return l.Prefix == "b/" && l.Delimiter == "/" },
		},
		"a prefix that nothing has": {
			params: "list-type=2&prefix=nothing", check: func(l listResult) bool { return l.KeyCount == 0 },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := w.list(t, "box", c.params)
			if got := l.keys(); !slices.Equal(got, c.keys) {
				t.Errorf("keys: got %q, want %q", got, c.keys)
			}
			if !c.check(l) {
				t.Errorf("got %+v", l)
			}
		})
	}
}

func TestListParametersThatAreNone(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	for _, params := range []string{
		"max-keys=x", "max-keys=-1", "max-keys=99999999999", "encoding-type=base64", "list-type=2&continuation-token=",
		"list-type=2&continuation-token=AA", "list-type=2&continuation-token=%3F%3F", "versions&version-id-marker=null",
		"versions&key-marker=a&version-id-marker=x", "uploads&max-uploads=-1", "uploads&key-marker=a&upload-id-marker=x",
	} {
		t.Run(params, func(t *testing.T) {
			expect{status: 400, code: "InvalidArgument"}.check(t, w.do(query{method: "GET", path: "/box?" + params}))
		})
	}
	t.Run("a prefix longer than any key", func(t *testing.T) {
		expect{status: 400, code: "KeyTooLongError"}.check(t, w.do(query{method: "GET", path: "/box?prefix=" + strings.Repeat("p", 1025)}))
	})
}

func TestListingInPagesIsCompleteWithAndWithoutDelimiter(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	want := make(map[string]bool)
	for i := range 50 {
		key := fmt.Sprintf("dir%d/file%d", i%5, i)
		want[key] = true
		w.putObject("/box/"+key, "x")
	}
	if got := w.listAll(t, "box", ""); len(got) != len(want) {
		t.Errorf("got %d keys, want %d", len(got), len(want))
	}
	var prefixes []string
	marker := ""
	for {
		l := w.list(t, "box", "delimiter=/&max-keys=2&marker="+marker)
		for _, p := range l.CommonPrefixes {
			prefixes = append(prefixes, p.Prefix)
		}
		if !l.IsTruncated {
			break
		}
		marker = l.NextMarker
	}
	if want := []string{"dir0/", "dir1/", "dir2/", "dir3/", "dir4/"}; !slices.Equal(prefixes, want) {
		t.Errorf("got %q, want %q", prefixes, want)
	}
}

func TestListObjectVersionsShowsEachObjectAsItsNullVersion(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/a", "1")
	w.putObject("/box/a", "2")
	w.putObject("/box/b/c", "3")
	r := w.must(query{method: "GET", path: "/box?versions&delimiter=/"})
	var l struct {
		Version []struct {
			Key, ETag string
			VersionID string `xml:"VersionId"`
			IsLatest  bool
		}
		CommonPrefixes []struct{ Prefix string }
	}
	if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Version) != 1 || l.Version[0].VersionID != "null" || !l.Version[0].IsLatest || l.Version[0].ETag != etag("2") || len(l.CommonPrefixes) != 1 {
		t.Errorf("got %+v from %s", l, r.body)
	}
}
