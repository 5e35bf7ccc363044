package access

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"grange/internal/catalog"
	"grange/internal/id"
)

var (
	alice = id.Account{1}
	bob   = id.Account{2}
	now   = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func key(change func(*catalog.AccessKey)) *catalog.AccessKey {
	k := &catalog.AccessKey{ID: "KEY", Account: alice}
	if change != nil {
		change(k)
	}
	return k
}

func TestDecide(t *testing.T) {
	photos := &catalog.Bucket{ID: 1, Account: alice}
	site := &catalog.Bucket{ID: 2, Account: bob, Config: map[string][]byte{"website": []byte("<x/>")}}
	shared := &catalog.Bucket{ID: 3, Account: bob, Grants: []catalog.KeyGrant{
		{AccessKeyID: "KEY", Rights: catalog.Read}, {AccessKeyID: "OTHER", Rights: catalog.AllRights},
	}}
	narrow := func(scope ...catalog.Grant) *catalog.AccessKey {
		return key(func(k *catalog.AccessKey) { k.Narrowed, k.Scope = true, scope })
	}
	writeOnly := narrow(catalog.Grant{Bucket: 1, Rights: catalog.Write})
	cases := map[string]struct {
		request Request
		want    string
	}{
		"a key reads in its account's bucket":               {Request{Key: key(nil), Action: GetObject, Bucket: photos}, ReasonRight},
		"a key changes its account's bucket":                {Request{Key: key(nil), Action: PutBucketPolicy, Bucket: photos}, ReasonRight},
		"a key reads in a stranger's bucket":                {Request{Key: key(nil), Action: GetObject, Bucket: site}, ReasonNoRight},
		"a key reads where it was granted":                  {Request{Key: key(nil), Action: GetObject, Bucket: shared}, ReasonRight},
		"a key lists where it was granted to read":          {Request{Key: key(nil), Action: ListBucket, Bucket: shared}, ReasonRight},
		"a key writes where it was granted to read":         {Request{Key: key(nil), Action: PutObject, Bucket: shared}, ReasonNoRight},
		"a grant to another key":                            {Request{Key: key(func(k *catalog.AccessKey) { k.ID = "THIRD" }), Action: GetObject, Bucket: shared}, ReasonNoRight},
		"a grant to a key that is narrowed":                 {Request{Key: narrow(), Action: GetObject, Bucket: shared}, ReasonRight},
		"a narrowed key within its scope":                   {Request{Key: writeOnly, Action: PutObject, Bucket: photos}, ReasonRight},
		"a narrowed key with another right":                 {Request{Key: writeOnly, Action: GetObject, Bucket: photos}, ReasonNoRight},
		"a narrowed key without a scope":                    {Request{Key: narrow(), Action: GetObject, Bucket: photos}, ReasonNoRight},
		"a scope that names a bucket that is now another's": {Request{Key: narrow(catalog.Grant{Bucket: 2, Rights: catalog.AllRights}), Action: GetObject, Bucket: site}, ReasonNoRight},
		"a scope narrows even without the flag":             {Request{Key: key(func(k *catalog.AccessKey) { k.Scope = writeOnly.Scope }), Action: GetObject, Bucket: photos}, ReasonNoRight},
		"a narrowed key lists buckets":                      {Request{Key: narrow(), Action: ListAllMyBuckets}, ReasonKey},

		"a disabled key":                {Request{Key: key(func(k *catalog.AccessKey) { k.Disabled = true }), Action: ListAllMyBuckets}, ReasonDisabled},
		"a disabled key on a website":   {Request{Key: key(func(k *catalog.AccessKey) { k.Disabled = true }), Action: WebGetObject, Bucket: site}, ReasonDisabled},
		"a key that expires now":        {Request{Key: key(func(k *catalog.AccessKey) { k.Expires = now }), Action: GetObject, Bucket: photos}, ReasonExpired},
		"a key that expires in a while": {Request{Key: key(func(k *catalog.AccessKey) { k.Expires = now.Add(time.Nanosecond) }), Action: GetObject, Bucket: photos}, ReasonRight},

		"a key that may create buckets":     {Request{Key: key(func(k *catalog.AccessKey) { k.CreateBuckets = true }), Action: CreateBucket}, ReasonCreator},
		"a key that may not create buckets": {Request{Key: key(nil), Action: CreateBucket}, ReasonNotCreator},

		"anonymous reads a website":           {Request{Anonymous: true, Action: WebGetObject, Bucket: site}, ReasonWebsite},
		"anonymous reads a website over S3":   {Request{Anonymous: true, Action: GetObject, Bucket: site}, ReasonAnonymous},
		"anonymous reads what is not a site":  {Request{Anonymous: true, Action: WebGetObject, Bucket: photos}, ReasonNoWebsite},
		"anonymous reads a site that is gone": {Request{Anonymous: true, Action: WebGetObject}, ReasonNoBucket},
		"anonymous lists buckets":             {Request{Anonymous: true, Action: ListAllMyBuckets}, ReasonAnonymous},
		"anonymous creates a bucket":          {Request{Anonymous: true, Action: CreateBucket}, ReasonAnonymous},
		"anonymous asks for health":           {Request{Anonymous: true, Action: AdminReadHealth}, ReasonAnyone},
		"anonymous asks for metrics":          {Request{Anonymous: true, Action: AdminReadMetrics}, ReasonNotAdmin},

		"the administrator manages keys":     {Request{Admin: true, Action: AdminManageKeys}, ReasonAdmin},
		"the administrator reads an object":  {Request{Admin: true, Action: GetObject, Bucket: photos}, ReasonAdminOnly},
		"the administrator lists as a key":   {Request{Admin: true, Action: ListAllMyBuckets}, ReasonAdminOnly},
		"a key with all rights manages keys": {Request{Key: key(func(k *catalog.AccessKey) { k.CreateBuckets = true }), Action: AdminManageKeys}, ReasonNotAdmin},

		"nobody":                      {Request{Action: GetObject, Bucket: photos}, ReasonNotIdentified},
		"a key and anonymous at once": {Request{Key: key(nil), Anonymous: true, Action: GetObject, Bucket: photos}, ReasonNotIdentified},
		"a key and admin at once":     {Request{Key: key(nil), Admin: true, Action: GetObject, Bucket: photos}, ReasonNotIdentified},
		"no action":                   {Request{Key: key(nil), Bucket: photos}, ReasonUnknownAction},
		"an unknown action":           {Request{Key: key(nil), Action: "s3:GetEverything", Bucket: photos}, ReasonUnknownAction},
		"no bucket":                   {Request{Key: key(nil), Action: GetObject}, ReasonNoBucket},
	}
	allowed := []string{ReasonRight, ReasonKey, ReasonCreator, ReasonWebsite, ReasonAnyone, ReasonAdmin}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.request.Now = now
			want := Decision{Reason: tc.want}
			for _, reason := range allowed {
				want.Allowed = want.Allowed || reason == tc.want
			}
			if got := Decide(tc.request); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestEveryActionHasARule reads the constants from the source: one that is forgotten in the table fails here, not in
// front of a user.
func TestEveryActionHasARule(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[Action]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if len(spec.Names) != 1 || len(spec.Values) != 1 {
			t.Fatalf("not one constant: %v", spec.Names)
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[Action(value)]; twice {
			t.Errorf("%s and %s are both %q", spec.Names[0].Name, other, value)
		}
		seen[Action(value)] = spec.Names[0].Name
		if needs[Action(value)] == unknown {
			t.Errorf("%s (%q) has no rule", spec.Names[0].Name, value)
		}
		return true
	})
	if len(seen) != len(needs) || len(seen) < 90 {
		t.Errorf("%d constants, %d rules", len(seen), len(needs))
	}
}

// TestNothingIsOpenByAccident tries every action without a key and with a key that has no rights.
func TestNothingIsOpenByAccident(t *testing.T) {
	stranger := &catalog.Bucket{ID: 1, Account: bob}
	for action := range needs {
		if d := Decide(Request{Anonymous: true, Action: action, Bucket: stranger, Now: now}); d.Allowed && action != AdminReadHealth {
			t.Errorf("anonymous may do %s: %s", action, d.Reason)
		}
		d := Decide(Request{Key: key(nil), Action: action, Bucket: stranger, Now: now})
		if d.Allowed && action != AdminReadHealth && action != ListAllMyBuckets {
			t.Errorf("any key may do %s: %s", action, d.Reason)
		}
		admin := Decide(Request{Admin: true, Action: action, Bucket: stranger, Now: now})
		if admin.Allowed != strings.HasPrefix(string(action), "admin:") {
			t.Errorf("the administrator and %s: %+v", action, admin)
		}
	}
}

// TestReadersCannotChange holds the table against the names: what begins with Put or Delete never takes only Read.
func TestReadersCannotChange(t *testing.T) {
	reader := key(func(k *catalog.AccessKey) {
		k.Narrowed, k.Scope = true, []catalog.Grant{{Bucket: 1, Rights: catalog.Read}}
	})
	bucket := &catalog.Bucket{ID: 1, Account: alice}
	for action := range needs {
		_, verb, _ := strings.Cut(string(action), ":")
		changes := !strings.HasPrefix(verb, "Get") && !strings.HasPrefix(verb, "List") && !strings.HasPrefix(verb, "Read")
		if d := Decide(Request{Key: reader, Action: action, Bucket: bucket, Now: now}); d.Allowed && changes {
			t.Errorf("a reader may do %s", action)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	r := Request{Key: key(nil), Action: GetObject, Bucket: &catalog.Bucket{ID: 1, Account: alice}, Now: now}
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(r).Allowed {
			b.Fatal("refused")
		}
	}
}
