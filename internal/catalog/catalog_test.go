package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

func TestBucketNamesFollowS3(t *testing.T) {
	cases := map[string]struct {
		name string
		ok   bool
	}{
		"letters":                       {"photos", true},
		"three characters":              {"abc", true},
		"digits":                        {"123", true},
		"labels":                        {"www.example-site.org", true},
		"63 characters":                 {strings.Repeat("a", 63), true},
		"two characters":                {"ab", false},
		"64 characters":                 {strings.Repeat("a", 64), false},
		"nothing":                       {"", false},
		"upper case":                    {"Photos", false},
		"underscore":                    {"my_photos", false},
		"space":                         {"my photos", false},
		"not ASCII":                     {"füße", false},
		"not UTF-8":                     {"ab\xff", false},
		"slash":                         {"a/b", false},
		"hyphen first":                  {"-abc", false},
		"hyphen last":                   {"abc-", false},
		"dot first":                     {".abc", false},
		"dot last":                      {"abc.", false},
		"two dots":                      {"a..b", false},
		"dot and hyphen":                {"a.-b", false},
		"hyphen and dot":                {"a-.b", false},
		"IP address":                    {"192.168.5.4", false},
		"IP address with leading zeros": {"192.168.05.004", false},
		"numbers beyond an IP address":  {"999.999.999.999", false},
		"four labels, not an address":   {"1.2.3.a4", true},
		"three numbers":                 {"1.2.3", true},
		"punycode":                      {"xn--abc", false},
		"sthree":                        {"sthree-configurator", false},
		"alias suffix":                  {"abc-s3alias", false},
		"object lambda suffix":          {"abc--ol-s3", false},
		"multi-region suffix":           {"abc.mrap", false},
		"directory bucket suffix":       {"abc--x-s3", false},
		"table bucket suffix":           {"abc--table-s3", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := catalog.ValidBucketName(tc.name)
			if tc.ok != (err == nil) || (err != nil && !errors.Is(err, catalog.ErrInvalid)) {
				t.Errorf("ValidBucketName(%q) = %v, want ok %v", tc.name, err, tc.ok)
			}
		})
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "correct-horse-battery"
	c, l := newClient(t)
	mustInit(t, c)
	k, _, err := c.ImportKey(t.Context(), "KEY", secret, catalog.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if k.Secret != secret {
		t.Fatalf("secret %q, want the imported one", k.Secret)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.LogAttrs(t.Context(), slog.LevelInfo, "key", slog.Any("key", k), slog.Any("pointer", &k))
	if _, _, err := c.ImportKey(t.Context(), "KEY", secret+"2", catalog.KeyOptions{}); err != nil {
		fmt.Fprintln(&log, err)
	}
	if _, err := c.EnsureKeyAndBucket(t.Context(), catalog.FirstStart{KeyID: "OTHER", Secret: secret}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetSetting(t.Context(), catalog.SettingChange{Name: "acme", Value: []byte(secret)}); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&log, verb+verb, k, struct{ Key *catalog.AccessKey }{&k}.Key)
	}
	for _, raw := range l.log {
		fmt.Fprintln(&log, catalog.DescribeCommand(raw))
	}
	each(t, l.db, func(key, value []byte) {
		fmt.Fprintln(&log, catalog.DescribeRecord(key[len(space):], value))
	})
	if strings.Contains(log.String(), secret) || strings.Contains(log.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("a secret was printed:\n%s", log.String())
	}
	if n := strings.Count(log.String(), "masked"); n < 10 {
		t.Errorf("%d masked secrets, want at least 10:\n%s", n, log.String())
	}
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	c, _ := newClient(t)
	mustInit(t, c)
	if _, _, err := c.CreateBucket(t.Context(), catalog.BucketOptions{Name: "a\xff\xfeb"}); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("create bucket: %v, want %v", err, catalog.ErrInvalid)
	}
	if _, err := c.View().BucketByName("a\xff\xfeb"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("bucket: %v, want %v", err, catalog.ErrNotFound)
	}
}

// A command of a newer program must stop the replica: to leave it out would let its state differ from the others'.
func TestCommandsOfNewerProgramsAreNotApplied(t *testing.T) {
	newer := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
	unknown = protowire.AppendBytes(protowire.AppendTag(unknown, 999, protowire.BytesType), nil)
	cases := map[string]struct {
		command []byte
		want    error
	}{
		"a higher version": {newer, catalog.ErrNewer},
		"an unknown kind":  {unknown, catalog.ErrNewer},
		"no version":       {nil, catalog.ErrCorrupt},
		"garbage":          {[]byte("\xff\xff\xff"), catalog.ErrCorrupt},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, l := newClient(t)
			mustInit(t, c)
			b := l.db.NewBatch()
			defer b.Close()
			_, err := l.machine.Apply(b, raftgroup.Entry{Index: 2, Command: tc.command})
			if !errors.Is(err, tc.want) {
				t.Errorf("apply: %v, want %v", err, tc.want)
			}
		})
	}
}

func TestRecordsOfNewerProgramsAreNotRead(t *testing.T) {
	c, l := newClient(t)
	mustInit(t, c)
	newer := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	set(t, l.db, space.Sub('k').Key([]byte("KEY")), newer)
	if _, err := c.View().AccessKey("KEY"); !errors.Is(err, catalog.ErrNewer) {
		t.Errorf("access key: %v, want %v", err, catalog.ErrNewer)
	}
}

// failing is a proposer that cannot reach anybody.
type failing struct{ err error }

func (f failing) Propose(context.Context, id.Group, []byte) ([]byte, error) { return nil, f.err }
func (f failing) Barrier(context.Context, id.Group) error                   { return f.err }

func TestClientTellsRefusalsFromFailures(t *testing.T) {
	c := catalog.NewClient(failing{raftgroup.ErrStopped}, mem.New())
	if _, err := c.CreateKey(t.Context(), catalog.KeyOptions{}); !errors.Is(err, raftgroup.ErrStopped) {
		t.Errorf("create key: %v, want %v", err, raftgroup.ErrStopped)
	}
	if _, err := c.Read(t.Context()); !errors.Is(err, raftgroup.ErrStopped) {
		t.Errorf("read: %v, want %v", err, raftgroup.ErrStopped)
	}
}

func TestLimitsHold(t *testing.T) {
	c, _ := newClient(t)
	ctx := t.Context()
	mustInit(t, c)
	own, err := c.CreateAccount(ctx, "own", "")
	if err != nil {
		t.Fatal(err)
	}
	narrow, _, err := c.ImportKey(ctx, "NARROW", "s", catalog.KeyOptions{Account: "own", Narrowed: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ImportKey(ctx, "FOREIGN", "s", catalog.KeyOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range catalog.GrantsMax + 1 {
		b, _, err := c.CreateBucket(ctx, catalog.BucketOptions{Name: fmt.Sprintf("bucket-%d", i), Account: own.ID, Key: narrow.ID})
		full := i == catalog.GrantsMax
		if full != errors.Is(err, catalog.ErrLimit) || full != (err != nil) {
			t.Fatalf("bucket %d of a narrowed key: %v", i, err)
		}
		if full {
			if b, _, err = c.CreateBucket(ctx, catalog.BucketOptions{Name: "one-more", Account: own.ID}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Grant(ctx, b.ID, "FOREIGN", catalog.Read); full != errors.Is(err, catalog.ErrLimit) || full != (err != nil) {
			t.Fatalf("grant %d: %v", i, err)
		}
	}
	if err := c.DeleteKey(ctx, "FOREIGN"); err != nil {
		t.Fatal(err)
	}
	b, err := c.View().BucketByName("bucket-7")
	if err != nil || len(b.Grants) != 0 {
		t.Errorf("grants %v, %v after the key was deleted", b.Grants, err)
	}
	large := catalog.DocumentChange{Bucket: b.ID, Name: "policy", Content: make([]byte, catalog.DocumentMax+1)}
	if _, err := c.SetDocument(ctx, large); !errors.Is(err, catalog.ErrLimit) {
		t.Errorf("large document: %v, want %v", err, catalog.ErrLimit)
	}
	for i := range catalog.DocumentsMax + 1 {
		d := catalog.DocumentChange{Bucket: b.ID, Name: fmt.Sprint(i), Content: []byte{1}}
		if _, err := c.SetDocument(ctx, d); (i == catalog.DocumentsMax) != errors.Is(err, catalog.ErrLimit) {
			t.Fatalf("document %d: %v", i, err)
		}
	}
}

func TestListsAreCutIntoPages(t *testing.T) {
	c, _ := newClient(t)
	mustInit(t, c)
	a, err := c.CreateAccount(t.Context(), "own", "")
	if err != nil {
		t.Fatal(err)
	}
	const buckets = catalog.PageMax + 1
	for i := range buckets {
		if _, _, err := c.CreateBucket(t.Context(), catalog.BucketOptions{Name: fmt.Sprintf("b-%d", i), Account: a.ID}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{0, 7, 100, buckets, 10 * buckets} {
		var names []string
		p := catalog.Page{Max: size}
		for more := true; more; more = p.After != "" {
			page, next, err := c.View().AccountBuckets(a.ID, p)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > catalog.PageMax || len(page) == 0 {
				t.Fatalf("a page of %d", len(page))
			}
			for _, b := range page {
				if len(names) > 0 && b.Name <= names[len(names)-1] {
					t.Fatalf("%s after %s", b.Name, names[len(names)-1])
				}
				names = append(names, b.Name)
			}
			p.After = next
		}
		if len(names) != buckets {
			t.Errorf("pages of %d: %d buckets, want %d", size, len(names), buckets)
		}
	}
}

func mustInit(t testing.TB, c *catalog.Client) catalog.Cluster {
	t.Helper()
	cluster, err := c.Init(context.Background(), catalog.InitOptions{First: catalog.Node{ID: id.Node{1}, Zone: "home", Capacity: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// each visits everything in the catalog's space.
func each(t testing.TB, r kv.Reader, visit func(key, value []byte)) {
	t.Helper()
	lower, upper := space.Bounds()
	it, err := r.NewIter(lower, upper)
	if err != nil {
		t.Fatal(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		visit(it.Key(), it.Value())
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		t.Fatal(err)
	}
}

func set(t testing.TB, db kv.Store, key, value []byte) {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	if err := errors.Join(b.Set(key, value), b.Commit(false)); err != nil {
		t.Fatal(err)
	}
}
