package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grange/internal/catalog"
	"grange/internal/store"
	"grange/internal/store/storetest"
)

var rewrite = flag.Bool("rewrite", false, "write the reference page")

const testToken = "right-token"

// fakeWorkers is one worker that remembers what it was told.
type fakeWorkers struct{ w Worker }

func (f *fakeWorkers) Workers() []Worker { return []Worker{f.w} }

func (f *fakeWorkers) TellWorker(name string, a WorkerAction) (Worker, error) {
	if name != f.w.Name {
		return Worker{}, &Error{Code: NotFound, Message: "there is no worker " + name}
	}
	f.w.State = string(a)
	return f.w, nil
}

func (f *fakeWorkers) ChangeWorker(name string, ch WorkerChange) (Worker, error) {
	f.w.Tranquility = *ch.Tranquility
	return f.TellWorker(name, "changed")
}

type world struct {
	parts  *storetest.Parts
	server *Server
	url    string
	client *Client
	down   error // answer of Ready
}

// newWorld serves the API over a store in memory, and holds every answer against the type that its route declares.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{parts: storetest.New(t)}
	o := Options{
		Catalog: w.parts.Catalog, Store: w.parts.Store, Workers: &fakeWorkers{Worker{Name: "scrub"}},
		Status: func(context.Context) Status { return Status{Version: "1", Problems: []string{}} },
		Ready:  func() error { return w.down }, Token: testToken,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
	}
	for _, f := range change {
		f(&o)
	}
	w.server = New(o)
	ts := httptest.NewServer(w.checked(t))
	t.Cleanup(ts.Close)
	w.url, w.client = ts.URL, NewClient(ts.URL, testToken)
	return w
}

// checked compares answers with what the table of routes says of them.
func (w *world) checked(t *testing.T) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		_, pattern := w.server.mux.Handler(r)
		w.server.ServeHTTP(rec, r)
		mu.Lock()
		defer mu.Unlock()
		for _, rt := range w.server.routes() {
			if rt.pattern() == pattern && rec.Code < 300 {
				checkAnswer(t, rt, rec)
			}
		}
		maps.Copy(rw.Header(), rec.Header())
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	})
}

func checkAnswer(t *testing.T, rt route, rec *httptest.ResponseRecorder) {
	switch {
	case rt.raw != nil:
	case rt.response == nil:
		if rec.Code != http.StatusNoContent || rec.Body.Len() > 0 {
			t.Errorf("%s: got %d with a body of %d bytes, want 204", rt.pattern(), rec.Code, rec.Body.Len())
		}
	default:
		d := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(reflect.New(reflect.TypeOf(rt.response)).Interface()); err != nil {
			t.Errorf("%s: the answer is not the declared type: %v", rt.pattern(), err)
		}
	}
}

func (w *world) send(t *testing.T, method, path, token, body string) (int, Error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var e Error
	raw, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(raw, &e)
	if resp.StatusCode >= 400 && (e.Code == "" || e.RequestID == "" || e.RequestID != resp.Header.Get("X-Request-Id")) {
		t.Errorf("%s %s: the error has no code, or another request id than the header: %s", method, path, raw)
	}
	return resp.StatusCode, e
}

// concrete replaces the names in a path by something.
func concrete(path string) string {
	return strings.NewReplacer("{account}", "a", "{key}", "k", "{bucket}", "b", "{worker}", "w").Replace(path)
}

func TestEveryRouteButHealthAsksForTheToken(t *testing.T) {
	w := newWorld(t)
	for _, rt := range w.server.routes() {
		for _, token := range []string{"", "Bearer wrong", "Bearer ", "Basic " + testToken, testToken, "Bearer " + testToken + "x"} {
			status, e := w.send(t, rt.method, concrete(rt.path), token, "{}")
			open := rt.path == "/health"
			if open != (status == http.StatusOK) || !open && (status != http.StatusUnauthorized || e.Code != Unauthorized) {
				t.Errorf("%s with %q: got %d %s", rt.pattern(), token, status, e.Code)
			}
		}
		if rt.path == "/debug/pprof/" {
			continue
		}
		if status, _ := w.send(t, rt.method, concrete(rt.path), "Bearer "+testToken, "{}"); status == http.StatusUnauthorized {
			t.Errorf("%s refuses the right token", rt.pattern())
		}
	}
}

func TestWhatIsNoRouteTellsNothingWithoutTheToken(t *testing.T) {
	w := newWorld(t)
	cases := map[string]struct {
		method, path, token string
		want                int
	}{
		"unknown path, no token":   {"GET", "/v1/nothing", "", 401},
		"unknown path":             {"GET", "/v1/nothing", "Bearer " + testToken, 404},
		"wrong method, no token":   {"PUT", "/v1/status", "", 401},
		"wrong method":             {"PUT", "/v1/status", "Bearer " + testToken, 405},
		"wrong method on health":   {"POST", "/health", "", 401},
		"path that climbs up":      {"GET", "/v1/../health/..%2fv1/status", "", 401},
		"profile behind the token": {"GET", "/debug/pprof/heap", "", 401},
		"profile":                  {"GET", "/debug/pprof/heap?debug=1", "Bearer " + testToken, 200},
		"token in another case":    {"GET", "/v1/status", "bearer " + testToken, 200},
		"root":                     {"GET", "/", "Bearer " + testToken, 404},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got, _ := w.send(t, tc.method, tc.path, tc.token, ""); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestHealthAnswersWithoutTokenAndTellsWhenItIsNot(t *testing.T) {
	w := newWorld(t)
	if got, _ := w.send(t, "GET", "/health", "", ""); got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	w.down = errors.New("the node is stopping")
	if got, e := w.send(t, "GET", "/health", "", ""); got != http.StatusServiceUnavailable || e.Message != "the node is stopping" {
		t.Errorf("got %d %s, want 503", got, e.Message)
	}
}

func TestOpenMetricsNeedNoToken(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MetricsOpen = true })
	if got, _ := w.send(t, "GET", "/metrics", "", ""); got != http.StatusOK {
		t.Errorf("got %d, want 200", got)
	}
	if got, _ := w.send(t, "GET", "/v1/status", "", ""); got != http.StatusUnauthorized {
		t.Errorf("status: got %d, want 401", got)
	}
}

func TestAccountsFromBeginningToEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ada, err := w.client.CreateAccount(ctx, NewAccount{Name: "ada/lovelace", Description: "first"})
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"ada/lovelace", ada.ID} {
		if got, err := w.client.Account(ctx, by); err != nil || got.ID != ada.ID {
			t.Errorf("by %s: got %+v, %v", by, got, err)
		}
	}
	if _, err := w.client.CreateAccount(ctx, NewAccount{Name: "ada/lovelace"}); !errors.Is(err, &Error{Code: Exists}) {
		t.Errorf("second of the name: got %v", err)
	}
	renamed, err := w.client.ChangeAccount(ctx, ada.ID, AccountChange{Name: new("ada")})
	if err != nil || renamed.Name != "ada" || renamed.Description != "first" {
		t.Errorf("rename: got %+v, %v", renamed, err)
	}
	accounts, err := w.client.Accounts(ctx)
	if err != nil || len(accounts) != 2 || accounts[0].Name != "ada" {
		t.Errorf("list: got %v, %v", accounts, err)
	}
	if err := w.client.DeleteAccount(ctx, "tester"); !errors.Is(err, &Error{Code: InUse}) {
		t.Errorf("delete with a key: got %v", err)
	}
	if err := w.client.DeleteAccount(ctx, "ada"); err != nil {
		t.Error(err)
	}
	if _, err := w.client.Account(ctx, "ada"); !errors.Is(err, &Error{Code: NotFound}) {
		t.Errorf("after delete: got %v", err)
	}
}

func TestKeysFromBeginningToEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.parts.Bucket(t, "photos")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	made, err := w.client.CreateKey(ctx, NewKey{
		Name: "phone", Account: "tester", Expires: &expires, Scope: []Grant{{"photos", []Right{ReadRight, WriteRight}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.Secret == "" || !made.Narrowed || made.Account != "tester" || !made.Expires.Equal(expires) {
		t.Errorf("got %+v", made)
	}
	shown, err := w.client.Key(ctx, made.ID, false)
	if err != nil || shown.Secret != "" {
		t.Errorf("shown without asking for the secret: %+v, %v", shown, err)
	}
	if diff := cmp.Diff(made, shown, cmpopts.IgnoreFields(Key{}, "Secret")); diff != "" {
		t.Errorf("(-made +shown)\n%s", diff)
	}
	if again, err := w.client.Key(ctx, made.ID, true); err != nil || again.Secret != made.Secret {
		t.Errorf("secret: got %q, %v", again.Secret, err)
	}
	changed, err := w.client.ChangeKey(ctx, made.ID, KeyChange{
		Disabled: new(true), Expires: &time.Time{}, Scope: &[]Grant{}, RotateSecret: true,
	})
	if err != nil || !changed.Disabled || changed.Expires != nil || len(changed.Scope) != 0 || !changed.Narrowed || changed.Secret == made.Secret || changed.Secret == "" {
		t.Errorf("changed: got %+v, %v", changed, err)
	}
	if wide, err := w.client.ChangeKey(ctx, made.ID, KeyChange{Narrowed: new(false)}); err != nil || wide.Narrowed || wide.Secret != "" {
		t.Errorf("widened: got %+v, %v", wide, err)
	}
	if all, err := w.client.Keys(ctx, ""); err != nil || len(all) != 2 || all[0].Secret+all[1].Secret != "" {
		t.Errorf("list: got %v, %v", all, err)
	}
	if err := w.client.DeleteKey(ctx, made.ID); err != nil {
		t.Error(err)
	}
	if left, err := w.client.Keys(ctx, "tester"); err != nil || len(left) != 1 {
		t.Errorf("after delete: got %v, %v", left, err)
	}
}

func TestAKeyIsImportedOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	n := NewKey{ID: "GK-made-elsewhere", Secret: "its secret", CreateBuckets: true}
	for range 2 {
		if k, err := w.client.ImportKey(ctx, n); err != nil || k.Secret != "" || k.Account != n.ID {
			t.Fatalf("got %+v, %v", k, err)
		}
	}
	n.Secret = "another"
	if _, err := w.client.ImportKey(ctx, n); !errors.Is(err, &Error{Code: Exists}) {
		t.Errorf("with another secret: got %v", err)
	}
	if _, err := w.client.CreateKey(ctx, n); !errors.Is(err, &Error{Code: Invalid}) {
		t.Errorf("create with a secret: got %v", err)
	}
	if _, err := w.client.CreateKey(ctx, NewKey{Scope: []Grant{{"nowhere", []Right{ReadRight}}}}); !errors.Is(err, &Error{Code: NotFound}) {
		t.Errorf("scope of no bucket: got %v", err)
	}
}

func TestBucketsFromBeginningToEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.client.CreateBucket(ctx, NewBucket{Name: "photos", Account: "tester"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.CreateBucket(ctx, NewBucket{Name: "photos", Account: "tester"}); !errors.Is(err, &Error{Code: Exists}) {
		t.Errorf("second of the name: got %v", err)
	}
	other, err := w.client.CreateKey(ctx, NewKey{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.client.Grant(ctx, "photos", other.ID, []Right{ReadRight, OwnerRight})
	if diff := cmp.Diff([]KeyGrant{{other.ID, []Right{ReadRight, OwnerRight}}}, b.Grants); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if b, err = w.client.Revoke(ctx, "photos", other.ID, []Right{OwnerRight}); err != nil || len(b.Grants) != 1 {
		t.Errorf("revoked one: got %v, %v", b.Grants, err)
	}
	if b, err = w.client.Revoke(ctx, "photos", other.ID, nil); err != nil || len(b.Grants) != 0 {
		t.Errorf("revoked all: got %v, %v", b.Grants, err)
	}
	if _, err = w.client.Grant(ctx, "photos", other.ID, []Right{"everything"}); !errors.Is(err, &Error{Code: Invalid}) {
		t.Errorf("unknown right: got %v", err)
	}
	if b, err = w.client.SetQuota(ctx, "photos", Quota{Bytes: 10, Objects: 1}); err != nil || b.Quota != (Quota{10, 1}) {
		t.Errorf("quota: got %v, %v", b.Quota, err)
	}
	bucket, err := w.parts.Store.Bucket(ctx, "photos")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.parts.PutObject(ctx, bucket, store.PutOptions{Key: "cat", Body: strings.NewReader("meow"), Size: 4}); err != nil {
		t.Fatal(err)
	}
	if b, err = w.client.Bucket(ctx, "photos"); err != nil || b.Objects != 1 || b.Bytes != 4 {
		t.Errorf("counts: got %+v, %v", b, err)
	}
	if err := w.client.DeleteBucket(ctx, "photos"); !errors.Is(err, &Error{Code: InUse}) {
		t.Errorf("delete of a full one: got %v", err)
	}
	if _, err := w.parts.DeleteObject(ctx, bucket, store.DeleteOptions{Key: "cat"}); err != nil {
		t.Fatal(err)
	}
	if err := w.client.DeleteBucket(ctx, "photos"); err != nil {
		t.Error(err)
	}
	if all, err := w.client.Buckets(ctx, "tester"); err != nil || len(all) != 0 {
		t.Errorf("after delete: got %v, %v", all, err)
	}
}

func TestListsComeInPages(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"aaa", "bbb", "ccc"} {
		w.parts.Bucket(t, name)
	}
	var seen []string
	for after := ""; ; {
		var l BucketList
		if err := w.client.call(t.Context(), http.MethodGet, "/v1/buckets?max=2&after="+after, nil, nil, &l); err != nil {
			t.Fatal(err)
		}
		for _, b := range l.Buckets {
			seen = append(seen, b.Name)
		}
		if after = l.Next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"aaa", "bbb", "ccc"}, seen); diff != "" {
		t.Error(diff)
	}
	if got, _ := w.send(t, "GET", "/v1/buckets?max=-1", "Bearer "+testToken, ""); got != http.StatusBadRequest {
		t.Errorf("max=-1: got %d, want 400", got)
	}
}

func TestWorkersAreSteered(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if x, err := w.client.TellWorker(ctx, "scrub", PauseWorker); err != nil || x.State != "pause" {
		t.Errorf("pause: got %+v, %v", x, err)
	}
	if x, err := w.client.ChangeWorker(ctx, "scrub", WorkerChange{Tranquility: new(2.5)}); err != nil || x.Tranquility != 2.5 {
		t.Errorf("set: got %+v, %v", x, err)
	}
	if _, err := w.client.TellWorker(ctx, "nobody", RunWorker); !errors.Is(err, &Error{Code: NotFound}) {
		t.Errorf("unknown: got %v", err)
	}
	if l, err := w.client.Workers(ctx); err != nil || len(l) != 1 {
		t.Errorf("list: got %v, %v", l, err)
	}
}

func TestBodiesAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]string{
		"not JSON":       "name=x",
		"unknown field":  `{"name": "x", "quota": 1}`,
		"wrong type":     `{"name": 1}`,
		"two values":     `{"name": "x"} {"name": "y"}`,
		"empty":          "",
		"larger than we": `{"name": "` + strings.Repeat("x", bodyMax) + `"}`,
	} {
		if status, e := w.send(t, "POST", "/v1/accounts", "Bearer "+testToken, body); status != http.StatusBadRequest || e.Code != Invalid {
			t.Errorf("%s: got %d %s, want 400 invalid", name, status, e.Code)
		}
	}
}

func TestEveryFailureBelowHasItsAnswer(t *testing.T) {
	cases := map[error]Code{
		catalog.ErrInvalid: Invalid, catalog.ErrNotFound: NotFound, catalog.ErrExists: Exists, catalog.ErrInUse: InUse,
		store.ErrNoBucket: NotFound, store.ErrBucketExists: Exists, store.ErrBucketOwned: Exists, store.ErrNotEmpty: InUse,
		store.ErrUnavailable: Unavailable, errors.New("secret detail"): Internal,
	}
	for err, want := range cases {
		got := fromDomain(err)
		if got.Code != want || statusOf[got.Code] == 0 {
			t.Errorf("%v: got %s, want %s", err, got.Code, want)
		}
		if want == Internal && strings.Contains(got.Message, "secret") {
			t.Errorf("an internal error is told to the client: %s", got.Message)
		}
	}
}

func TestAPanicIsAnInternalErrorAndTheServerGoesOn(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Status = func(context.Context) Status { panic("bug") } })
	if status, e := w.send(t, "GET", "/v1/status", "Bearer "+testToken, ""); status != 500 || e.Code != Internal {
		t.Errorf("got %d %s", status, e.Code)
	}
	if status, _ := w.send(t, "GET", "/health", "", ""); status != 200 {
		t.Errorf("health afterwards: got %d", status)
	}
}

func TestTheDescriptionNamesEveryRoute(t *testing.T) {
	w := newWorld(t)
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Responses map[string]any }
		Components struct{ Schemas map[string]any }
	}
	raw := map[string]any{}
	if err := w.client.call(t.Context(), http.MethodGet, "/v1/openapi.json", nil, nil, &raw); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(raw)
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	operations := 0
	for _, rt := range w.server.routes() {
		if doc.Paths[rt.path][strings.ToLower(rt.method)].Responses == nil {
			t.Errorf("%s is not described", rt.pattern())
		}
	}
	for _, methods := range doc.Paths {
		operations += len(methods)
	}
	if operations != len(w.server.routes()) {
		t.Errorf("%d operations are described, there are %d routes", operations, len(w.server.routes()))
	}
	for _, part := range strings.Split(string(text), `"$ref":"#/components/schemas/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is named and not there", name)
		}
	}
}

func TestReferencePageIsCurrent(t *testing.T) {
	const page = "../../../docs/reference/admin-api.md"
	if *rewrite {
		if err := os.WriteFile(page, Reference(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, Reference()) {
		t.Errorf("%s is not what the table of routes says (%v) <- please run make generate", page, err)
	}
}

func TestAnEmptyTokenLetsNobodyIn(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a server without a token was made")
		}
	}()
	New(Options{})
}
