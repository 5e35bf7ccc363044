package s3_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"grange/internal/catalog"
	"grange/internal/store"
	"grange/internal/store/storetest"
)

// lockWorld is a world with a bucket "safe" that has Object Lock. Its locks go by a clock that the test sets forward.
type lockWorld struct {
	*world
	ahead time.Duration
}

func newLockWorld(t *testing.T) *lockWorld {
	t.Helper()
	l := &lockWorld{}
	l.world = newWorldOn(t, storetest.New(t, func(o *store.Options) {
		o.LockClock = func() time.Time { return time.Now().Add(l.ahead) }
	}))
	l.must(query{method: "PUT", path: "/safe", header: map[string]string{"x-amz-bucket-object-lock-enabled": "true"}})
	return l
}

// in is a time to come, as clients write it.
func in(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }

const day = 24 * time.Hour

// putLocked stores an object with headers of Object Lock and returns its version id.
func (l *lockWorld) putLocked(path, mode, until, hold string) string {
	l.t.Helper()
	header := make(map[string]string)
	for name, value := range map[string]string{"x-amz-object-lock-mode": mode, "x-amz-object-lock-retain-until-date": until, "x-amz-object-lock-legal-hold": hold} {
		if value != "" {
			header[name] = value
		}
	}
	return versionOf(l.must(query{method: "PUT", path: path, body: "locked", header: header}))
}

func retention(mode, until string) string {
	return "<Retention><Mode>" + mode + "</Mode><RetainUntilDate>" + until + "</RetainUntilDate></Retention>"
}

var bypass = map[string]string{"x-amz-bypass-governance-retention": "true"}

func TestObjectLockConfiguration(t *testing.T) {
	l := newLockWorld(t)
	l.newBucket("plain")
	l.newBucket("versioned")
	l.setVersioning("versioned", "Enabled")
	rule := func(inner string) string {
		return "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>" + inner + "</DefaultRetention></Rule></ObjectLockConfiguration>"
	}
	enabled := "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
	malformed := expect{status: 400, code: "MalformedXML"}
	for name, c := range map[string]struct {
		path, body string
		expect
	}{
		"a bucket without versioning": {"/plain?object-lock", enabled, expect{status: 409, code: "InvalidBucketState"}},
		"a rule without versioning":   {"/plain?object-lock", rule("<Mode>GOVERNANCE</Mode><Days>1</Days>"), expect{status: 409, code: "InvalidBucketState"}},
		"to disable it":               {"/safe?object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>", malformed},
		"nothing":                     {"/safe?object-lock", "<ObjectLockConfiguration/>", malformed},
		"a rule of nothing":           {"/safe?object-lock", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/></ObjectLockConfiguration>", malformed},
		"days and years":              {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), malformed},
		"neither days nor years":      {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode>"), malformed},
		"another mode":                {"/safe?object-lock", rule("<Mode>governance</Mode><Days>1</Days>"), malformed},
		"no mode":                     {"/safe?object-lock", rule("<Days>1</Days>"), malformed},
		"days that are no number":     {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode><Days>x</Days>"), malformed},
		"no days":                     {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"), expect{status: 400, code: "InvalidArgument"}},
		"less than no years":          {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode><Years>-1</Years>"), expect{status: 400, code: "InvalidRetentionPeriod"}},
		"101 years":                   {"/safe?object-lock", rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"), expect{status: 400, code: "InvalidRetentionPeriod"}},
		"no document":                 {"/safe?object-lock", "", expect{status: 400, code: "MissingRequestBodyError"}},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, l.do(query{method: "PUT", path: c.path, body: c.body})) })
	}
	expect{status: 404, code: "ObjectLockConfigurationNotFoundError"}.check(t, l.getObject("/versioned?object-lock"))
	head := xmlHead + `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>`
	expect{status: 200, body: head + "</ObjectLockConfiguration>"}.check(t, l.getObject("/safe?object-lock"))
	expect{status: 200, fields: map[string]string{"Status": "Enabled"}}.check(t, l.getObject("/safe?versioning"))
	for _, inner := range []string{"<Mode>GOVERNANCE</Mode><Days>36500</Days>", "<Mode>COMPLIANCE</Mode><Years>2</Years>"} {
		for _, bucket := range []string{"/safe", "/versioned"} {
			expect{status: 200}.check(t, l.do(query{method: "PUT", path: bucket + "?object-lock", body: rule(inner)}))
			expect{status: 200, body: head + "<Rule><DefaultRetention>" + inner + "</DefaultRetention></Rule></ObjectLockConfiguration>"}.check(t, l.getObject(bucket+"?object-lock"))
		}
	}
	expect{status: 409, code: "InvalidBucketState"}.check(t,
		l.do(query{method: "PUT", path: "/versioned?versioning", body: "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"}))
	l.setVersioning("versioned", "Enabled")
}

// TestNothingDeletesALockedVersion is what Object Lock is for: by every way to a deletion, with every right.
func TestNothingDeletesALockedVersion(t *testing.T) {
	l := newLockWorld(t)
	b, err := l.Store.Bucket(t.Context(), "safe")
	if err != nil {
		t.Fatal(err)
	}
	l.addKey("AKWRITE", "secret", catalog.KeyOptions{Account: "owner", Scope: []catalog.Grant{{Bucket: b.ID, Rights: catalog.Read | catalog.Write}}})
	deletion := func(path, version, key string, header map[string]string) query {
		q := query{method: "DELETE", path: path + "?versionId=" + version, header: header, key: key}
		if key != "" {
			q.secret = "secret"
		}
		return q
	}
	denied, done := expect{status: 403, code: "AccessDenied"}, expect{status: 204}
	cases := map[string]struct {
		mode, until, hold string
		after             time.Duration
		key               string
		header            map[string]string
		expect
	}{
		"governance":           {mode: "GOVERNANCE", until: in(day), expect: denied},
		"governance, bypassed": {mode: "GOVERNANCE", until: in(day), header: bypass, expect: done},
		"governance, bypassed without permission": {mode: "GOVERNANCE", until: in(day), header: bypass, key: "AKWRITE", expect: denied},
		"governance, just before its end":         {mode: "GOVERNANCE", until: in(day), after: day - time.Minute, expect: denied},
		"governance that has ended":               {mode: "GOVERNANCE", until: in(day), after: day + time.Second, key: "AKWRITE", expect: done},
		"compliance":                              {mode: "COMPLIANCE", until: in(day), expect: denied},
		"compliance, bypassed":                    {mode: "COMPLIANCE", until: in(day), header: bypass, expect: denied},
		"compliance that has ended":               {mode: "COMPLIANCE", until: in(day), after: day + time.Second, expect: done},
		"a legal hold":                            {hold: "ON", header: bypass, after: 1000 * day, expect: denied},
		"a legal hold and a retention that ended": {mode: "GOVERNANCE", until: in(day), hold: "ON", after: 2 * day, expect: denied},
		"a legal hold that is off":                {hold: "OFF", expect: done},
		"a bypass of nothing without permission":  {header: bypass, key: "AKWRITE", expect: done},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := "/safe/" + strings.ReplaceAll(name, " ", "-")
			v := l.putLocked(path, c.mode, c.until, c.hold)
			l.putObject(path, "newer") // overwriting leaves it alone
			l.ahead = c.after
			defer func() { l.ahead = 0 }()
			kept := c.status == denied.status
			body := "<Delete><Object><Key>" + path[len("/safe/"):] + "</Key><VersionId>" + v + "</VersionId></Object></Delete>"
			header := map[string]string{"Content-MD5": md5Text(body)}
			maps.Copy(header, c.header)
			if kept { // by DeleteObjects too
				many := query{method: "POST", path: "/safe?delete", body: body, header: header, key: c.key, secret: "secret"}
				if c.key == "" {
					many.secret = ""
				}
				expect{status: 200, code: "AccessDenied"}.check(t, l.do(many))
			}
			c.check(t, l.do(deletion(path, v, c.key, c.header)))
			after := expect{status: 404, code: "NoSuchVersion"}
			if kept {
				after = expect{status: 200, body: "locked"}
			}
			after.check(t, l.getObject(path+"?versionId="+v))
		})
	}
	t.Run("a deletion of the object only hides it", func(t *testing.T) {
		v := l.putLocked("/safe/hidden", "COMPLIANCE", in(day), "ON")
		marker := versionOf(l.must(queryOf("DELETE /safe/hidden")))
		expect{status: 404, code: "NoSuchKey"}.check(t, l.getObject("/safe/hidden"))
		expect{status: 200, body: "locked"}.check(t, l.getObject("/safe/hidden?versionId="+v))
		expect{status: 204}.check(t, l.do(deletion("/safe/hidden", marker, "", nil)))
	})
	t.Run("nor does the deletion of the bucket", func(t *testing.T) {
		expect{status: 409, code: "BucketNotEmpty"}.check(t, l.do(queryOf("DELETE /safe")))
	})
}

func TestRetentionIsOnlyMadeStricter(t *testing.T) {
	l := newLockWorld(t)
	soon, later := in(day), in(2*day)
	denied, done := expect{status: 403, code: "AccessDenied"}, expect{status: 200}
	for name, c := range map[string]struct {
		mode   string // before, until soon or, if it is the longer one, later
		longer bool
		body   string
		header map[string]string
		expect
	}{
		"a first one":                        {body: retention("COMPLIANCE", soon), expect: done},
		"governance longer":                  {mode: "GOVERNANCE", body: retention("GOVERNANCE", later), expect: done},
		"governance shorter":                 {mode: "GOVERNANCE", longer: true, body: retention("GOVERNANCE", soon), expect: denied},
		"governance shorter, bypassed":       {mode: "GOVERNANCE", longer: true, body: retention("GOVERNANCE", soon), header: bypass, expect: done},
		"governance taken away":              {mode: "GOVERNANCE", body: "<Retention/>", expect: denied},
		"governance taken away, bypassed":    {mode: "GOVERNANCE", body: "<Retention/>", header: bypass, expect: done},
		"governance to compliance":           {mode: "GOVERNANCE", body: retention("COMPLIANCE", later), expect: denied},
		"governance to compliance, bypassed": {mode: "GOVERNANCE", body: retention("COMPLIANCE", later), header: bypass, expect: done},
		"compliance longer":                  {mode: "COMPLIANCE", body: retention("COMPLIANCE", later), expect: done},
		"compliance again":                   {mode: "COMPLIANCE", body: retention("COMPLIANCE", soon), expect: done},
		"compliance shorter":                 {mode: "COMPLIANCE", longer: true, body: retention("COMPLIANCE", soon), header: bypass, expect: denied},
		"compliance taken away":              {mode: "COMPLIANCE", body: "<Retention/>", header: bypass, expect: denied},
		"compliance to governance":           {mode: "COMPLIANCE", body: retention("GOVERNANCE", later), header: bypass, expect: denied},
		"a time that has passed":             {body: retention("GOVERNANCE", in(-day)), expect: expect{status: 400, code: "InvalidArgument"}},
		"more than a hundred years":          {body: retention("GOVERNANCE", in(36600*day)), expect: expect{status: 400, code: "InvalidArgument"}},
		"another mode":                       {body: retention("governance", soon), expect: expect{status: 400, code: "MalformedXML"}},
		"a mode without a time":              {body: "<Retention><Mode>GOVERNANCE</Mode></Retention>", expect: expect{status: 400, code: "MalformedXML"}},
		"a time without a mode":              {body: "<Retention><RetainUntilDate>" + soon + "</RetainUntilDate></Retention>", expect: expect{status: 400, code: "MalformedXML"}},
		"a time that is none":                {body: retention("GOVERNANCE", "tomorrow"), expect: expect{status: 400, code: "MalformedXML"}},
		"no document":                        {expect: expect{status: 400, code: "MissingRequestBodyError"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/safe/" + strings.ReplaceAll(name, " ", "-")
			until := map[bool]string{true: later, false: soon}[c.longer]
			if c.mode == "" {
				until = ""
			}
			v := l.putLocked(path, c.mode, until, "")
			l.putObject(path, "newer")
			c.check(t, l.do(query{method: "PUT", path: path + "?retention&versionId=" + v, body: c.body, header: c.header}))
			want := reply{body: c.body}
			if c.status >= 400 {
				want = reply{body: retention(c.mode, until)}
			}
			got := l.do(queryOf("GET " + path + "?retention&versionId=" + v))
			if want.element("Mode") == "" {
				expect{status: 404, code: "NoSuchObjectLockConfiguration"}.check(t, got)
				return
			}
			expect{status: 200, fields: map[string]string{"Mode": want.element("Mode"), "RetainUntilDate": want.element("RetainUntilDate")}}.check(t, got)
			expect{status: 404, code: "NoSuchObjectLockConfiguration"}.check(t, l.getObject(path+"?retention"))
		})
	}
}

func TestLegalHoldGoesOnAndOff(t *testing.T) {
	l := newLockWorld(t)
	v := versionOf(l.putObject("/safe/k", "x"))
	hold := func(status string) query {
		return query{method: "PUT", path: "/safe/k?legal-hold", body: "<LegalHold><Status>" + status + "</Status></LegalHold>"}
	}
	expect{status: 404, code: "NoSuchObjectLockConfiguration"}.check(t, l.getObject("/safe/k?legal-hold"))
	expect{status: 200, header: map[string]string{"X-Amz-Object-Lock-Legal-Hold": "-"}}.check(t, l.getObject("/safe/k"))
	for _, status := range []string{"ON", "OFF", "ON"} {
		expect{status: 200, header: map[string]string{"X-Amz-Version-Id": v}}.check(t, l.do(hold(status)))
		expect{status: 200, fields: map[string]string{"Status": status}}.check(t, l.getObject("/safe/k?legal-hold&versionId="+v))
		expect{status: 200, body: "x", header: map[string]string{"X-Amz-Object-Lock-Legal-Hold": status}}.check(t, l.getObject("/safe/k"))
	}
	expect{status: 400, code: "MalformedXML"}.check(t, l.do(hold("on")))
	missing := hold("ON")
	missing.path = "/safe/none?legal-hold"
	expect{status: 404, code: "NoSuchKey"}.check(t, l.do(missing))
	marker := versionOf(l.must(queryOf("DELETE /safe/k")))
	missing.path = "/safe/k?legal-hold&versionId=" + marker
	expect{status: 405, code: "MethodNotAllowed"}.check(t, l.do(missing))
	expect{status: 405, code: "MethodNotAllowed"}.check(t, l.getObject("/safe/k?legal-hold&versionId="+marker))
}

func TestLocksOfWrites(t *testing.T) {
	l := newLockWorld(t)
	l.newBucket("plain")
	l.putObject("/plain/k", "x")
	until := in(day)
	sum := md5Text("x")
	lock := func(more ...string) map[string]string {
		h := map[string]string{"Content-MD5": sum, "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	without := func(name string) map[string]string {
		h := lock()
		delete(h, name)
		return h
	}
	invalid := expect{status: 400, code: "InvalidArgument"}
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		expect
	}{
		"a bucket without object lock": {"/plain/new", lock(), expect{status: 400, code: "InvalidRequest", fields: map[string]string{"Message": "Bucket is missing Object Lock Configuration"}}},
		"a hold there":                 {"/plain/new", map[string]string{"Content-MD5": sum, "x-amz-object-lock-legal-hold": "OFF"}, expect{status: 400, code: "InvalidRequest"}},
		"a mode without a time":        {"/safe/new", without("x-amz-object-lock-retain-until-date"), invalid},
		"a time without a mode":        {"/safe/new", without("x-amz-object-lock-mode"), invalid},
		"another mode":                 {"/safe/new", lock("x-amz-object-lock-mode", "governance"), invalid},
		"another hold":                 {"/safe/new", lock("x-amz-object-lock-legal-hold", "on"), invalid},
		"a time that is none":          {"/safe/new", lock("x-amz-object-lock-retain-until-date", "tomorrow"), invalid},
		"a time that has passed":       {"/safe/new", lock("x-amz-object-lock-retain-until-date", in(-day)), invalid},
		"a copy without object lock":   {"/plain/new", lock("x-amz-copy-source", "/plain/k"), expect{status: 400, code: "InvalidRequest"}},
	} {
		t.Run(name, func(t *testing.T) {
			body := "x"
			if c.header["x-amz-copy-source"] != "" {
				body = ""
				delete(c.header, "Content-MD5")
			}
			c.check(t, l.do(query{method: "PUT", path: c.path, body: body, header: c.header}))
			expect{status: 404, code: "NoSuchKey"}.check(t, l.getObject(c.path))
		})
	}
	expect{status: 400, code: "InvalidRequest"}.check(t, l.do(query{method: "POST", path: "/plain/large?uploads", header: without("Content-MD5")}))

	shown := map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": until}
	l.must(query{method: "PUT", path: "/safe/put", body: "x", header: lock()})
	expect{status: 200, header: shown}.check(t, l.getObject("/safe/put"))
	l.must(query{method: "PUT", path: "/safe/copy", header: map[string]string{"x-amz-copy-source": "/safe/put"}})
	expect{status: 200, header: map[string]string{"X-Amz-Object-Lock-Mode": "-"}}.check(t, l.getObject("/safe/copy"))
	copied := lock("x-amz-copy-source", "/plain/k")
	delete(copied, "Content-MD5")
	l.must(query{method: "PUT", path: "/safe/copy", header: copied})
	expect{status: 200, header: shown}.check(t, l.do(queryOf("HEAD /safe/copy")))
	upload := l.start(t, "/safe/large", without("Content-MD5"))
	part := l.must(query{method: "PUT", path: partPath("/safe/large", upload, 1), body: "part"})
	l.must(query{method: "POST", path: "/safe/large?uploadId=" + upload, body: completeBody(part.header.Get("Etag"))})
	expect{status: 200, header: shown}.check(t, l.getObject("/safe/large"))
}

func TestDefaultRetentionIsForNewVersions(t *testing.T) {
	l := newLockWorld(t)
	l.putObject("/safe/before", "x")
	l.must(query{method: "PUT", path: "/safe?object-lock", body: "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>" +
		"<DefaultRetention><Mode>COMPLIANCE</Mode><Days>10</Days></DefaultRetention></Rule></ObjectLockConfiguration>"})
	l.putObject("/safe/put", "x")
	l.must(query{method: "PUT", path: "/safe/copy", header: map[string]string{"x-amz-copy-source": "/safe/before"}})
	upload := l.start(t, "/safe/large", nil)
	part := l.must(query{method: "PUT", path: partPath("/safe/large", upload, 1), body: "part"})
	l.must(query{method: "POST", path: "/safe/large?uploadId=" + upload, body: completeBody(part.header.Get("Etag"))})
	for _, key := range []string{"put", "copy", "large"} {
		r := l.getObject("/safe/" + key)
		expect{status: 200, header: map[string]string{"X-Amz-Object-Lock-Mode": "COMPLIANCE"}}.check(t, r)
		until, err := time.Parse(time.RFC3339, r.header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
		if left := time.Until(until); err != nil || left < 10*day-time.Minute || left > 10*day {
			t.Errorf("%s is kept for %v, %v", key, left, err)
		}
		expect{status: 403, code: "AccessDenied"}.check(t, l.do(queryOf("DELETE /safe/"+key+"?versionId="+versionOf(r))))
	}
	expect{status: 200, header: map[string]string{"X-Amz-Object-Lock-Mode": "-"}}.check(t, l.getObject("/safe/before"))
	l.putLocked("/safe/own", "GOVERNANCE", in(day), "")
	expect{status: 200, header: map[string]string{"X-Amz-Object-Lock-Mode": "GOVERNANCE"}}.check(t, l.getObject("/safe/own"))
}

func TestMinioClientUsesObjectLock(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.minio(ownerKey, ownerSecret)
	if err := c.MakeBucket(ctx, "safe", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	mode, validity, unit := minio.Governance, uint(3), minio.Days
	if err := c.SetBucketObjectLockConfig(ctx, "safe", &mode, &validity, &unit); err != nil {
		t.Fatal(err)
	}
	if on, m, v, u, err := c.GetObjectLockConfig(ctx, "safe"); err != nil || on != "Enabled" || *m != mode || *v != validity || *u != unit {
		t.Errorf("config: %s %v %v %v, %v", on, m, v, u, err)
	}
	until := time.Now().Add(5 * day).UTC().Truncate(time.Second)
	info, err := c.PutObject(ctx, "safe", "k", bytes.NewReader(randomBytes(70_000)), 70_000, minio.PutObjectOptions{
		Mode: minio.Governance, RetainUntilDate: until, LegalHold: minio.LegalHoldEnabled,
	})
	if err != nil {
		t.Fatal(err)
	}
	if m, got, err := c.GetObjectRetention(ctx, "safe", "k", ""); err != nil || *m != minio.Governance || !got.Equal(until) {
		t.Errorf("retention: %v %v, %v", m, got, err)
	}
	remove := minio.RemoveObjectOptions{VersionID: info.VersionID, GovernanceBypass: true}
	if err := c.RemoveObject(ctx, "safe", "k", remove); minio.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("remove under legal hold: %v", err)
	}
	off := minio.LegalHoldDisabled
	if err := c.PutObjectLegalHold(ctx, "safe", "k", minio.PutObjectLegalHoldOptions{Status: &off}); err != nil {
		t.Fatal(err)
	}
	remove.GovernanceBypass = false
	if err := c.RemoveObject(ctx, "safe", "k", remove); minio.ToErrorResponse(err).Code != "AccessDenied" {
		t.Errorf("remove under retention: %v", err)
	}
	remove.GovernanceBypass = true
	if err := c.RemoveObject(ctx, "safe", "k", remove); err != nil {
		t.Error(err)
	}
}

func TestInterruptedCreationOfALockedBucketIsFinishedByItsRepetition(t *testing.T) {
	l := newLockWorld(t)
	lock := map[string]string{"x-amz-bucket-object-lock-enabled": "true"}
	l.newBucket("half") // is all that was done of it
	expect{status: 409, code: "BucketAlreadyOwnedByYou"}.check(t, l.do(query{method: "PUT", path: "/half", header: lock}))
	expect{status: 200, fields: map[string]string{"ObjectLockEnabled": "Enabled"}}.check(t, l.getObject("/half?object-lock"))
	l.newBucket("used")
	l.putObject("/used/k", "x")
	expect{status: 409, code: "BucketAlreadyOwnedByYou"}.check(t, l.do(query{method: "PUT", path: "/used", header: lock}))
	expect{status: 404, code: "ObjectLockConfigurationNotFoundError"}.check(t, l.getObject("/used?object-lock"))
	l.addKey("AKMAKER", "secret", catalog.KeyOptions{Account: "owner", Narrowed: true, CreateBuckets: true})
	l.newBucket("others")
	expect{status: 409, code: "BucketAlreadyOwnedByYou"}.check(t, l.do(query{method: "PUT", path: "/others", header: lock, key: "AKMAKER", secret: "secret"}))
	expect{status: 404, code: "ObjectLockConfigurationNotFoundError"}.check(t, l.getObject("/others?object-lock"))
}
