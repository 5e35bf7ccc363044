package index

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"grange/internal/block"
	"grange/internal/id"
)

// TestScripts runs testdata/*.txt; go test -rewrite writes the answers.
//
// Every directive may say bucket=, lock=mode-until (in ms), hold=on|off, now= (in ms), if-match=, if-none-match= (several in brackets). Versions are
// shown and named by their place ("v3") or as "null"; uploads and blocks by names of the script's choice.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			return // what the fuzzers found is their own tests'
		}
		s := &script{world: newWorld(t)}
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct{ *world }

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.t = t
	a := args{t, d}
	var out string
	if read, ok := scriptReads[d.Cmd]; ok {
		out = read(s.view(), a)
	} else {
		out = s.command(a)
		checkState(t, s.db)
	}
	if out == "" {
		out = "nothing"
	}
	return strings.TrimSpace(out) + "\n"
}

// command applies the command that a directive spells.
func (s *script) command(a args) string {
	switch a.d.Cmd {
	case "put":
		p := Put{
			Version: a.version(), Payload: a.payload(), Condition: a.condition(),
			Epoch: block.Epoch(a.number("epoch", 0)), Copied: a.d.HasArg("copied"), Limits: a.limits(),
		}
		p.Version.Size = sizeOf(p.Payload)
		return a.showResult(s.apply(p))
	case "delete":
		return a.showResult(s.apply(a.delete(a.d.CmdArgs[0].Key)))
	case "delete-many":
		c := DeleteMany{Bucket: a.bucket()}
		for key := range strings.FieldsSeq(a.d.Input) {
			c.Deletes = append(c.Deletes, a.delete(key))
		}
		r := s.apply(c)
		var out strings.Builder
		for i, one := range r.Results {
			fmt.Fprintf(&out, "%s: %s\n", c.Deletes[i].Key, a.showResult(one))
		}
		return out.String()
	case "set-versioning":
		mode := map[string]Versioning{"off": Unversioned, "enabled": Enabled, "suspended": Suspended}[a.key()]
		return a.showResult(s.apply(SetVersioning{a.bucket(), mode}))
	case "set-lock-rule":
		rule := LockRule{Mode: a.lockMode(a.text("mode", "")), Days: a.number("days", 0), Years: a.number("years", 0)}
		return a.showResult(s.apply(SetLockRule{a.bucket(), rule, a.d.HasArg("fresh")}))
	case "set-tags":
		c := SetTags{Bucket: a.bucket(), Key: a.key(), VersionID: a.versionID()}
		for _, pair := range a.list("tags") {
			name, value, _ := strings.Cut(pair, ":")
			c.Tags = append(c.Tags, Tag{name, value})
		}
		return a.showResult(s.apply(c))
	case "set-retention":
		l := a.lock()
		return a.showResult(s.apply(SetRetention{a.bucket(), a.key(), a.versionID(), l.Mode, l.Until, a.now(), a.d.HasArg("bypass")}))
	case "set-hold":
		return a.showResult(s.apply(SetHold{a.bucket(), a.key(), a.versionID(), a.d.HasArg("on")}))
	case "create-upload":
		return a.showResult(s.apply(CreateUpload{Upload{Bucket: a.bucket(), Key: a.key(), ID: a.upload(), Lock: a.lock(), Meta: Meta{
			Headers: map[string]string{"content-type": a.text("type", "")},
		}}}))
	case "put-part":
		p := PutPart{
			Bucket: a.bucket(), Key: a.key(), Upload: a.upload(), Part: Part{Number: a.number("number", 1), ETag: a.text("etag", "")},
			Payload: a.payload(), Epoch: block.Epoch(a.number("epoch", 0)), Copied: a.d.HasArg("copied"),
		}
		p.Part.Size = sizeOf(p.Payload)
		return a.showResult(s.apply(p))
	case "complete":
		return a.showResult(s.apply(s.complete(a)))
	case "abort":
		return a.showResult(s.apply(AbortUpload{a.bucket(), a.key(), a.upload()}))
	case "seal":
		return a.showResult(s.apply(SealBucket{a.bucket()}))
	case "release":
		return a.showResult(s.apply(Release{Max: a.number("max", 1000)}))
	case "doom":
		return a.showResult(s.apply(Doom{Blocks: a.addresses(), KeepEpochs: uint64(a.number("keep", 1000))}))
	case "buried":
		return a.showResult(s.apply(Buried{Blocks: a.addresses(), Epoch: block.Epoch(a.number("epoch", 0))}))
	default:
		a.t.Fatalf("%s: unknown directive %q", a.d.Pos, a.d.Cmd)
		return ""
	}
}

// complete names parts as "number" for the stored part, or "number:seq".
func (s *script) complete(a args) CompleteUpload {
	c := CompleteUpload{
		Upload: a.upload(), Version: a.version(), Condition: a.condition(), Limits: a.limits(),
	}
	stored, _, _ := s.view().Parts(a.bucket(), a.key(), a.upload(), 0, PartNumberMax)
	for _, name := range a.list("parts") {
		number, seq, fixed := strings.Cut(name, ":")
		ref := PartRef{Number: a.atoi(number)}
		if i := slices.IndexFunc(stored, func(p Part) bool { return p.Number == ref.Number }); i >= 0 {
			ref.Seq, ref.Size = stored[i].Seq, stored[i].Size
		}
		if fixed {
			ref.Seq = uint64(a.atoi(seq))
		}
		c.Version.Size += ref.Size
		c.Parts = append(c.Parts, ref)
	}
	return c
}

// scriptReads are the directives that look.
var scriptReads = map[string]func(*View, args) string{
	"get": func(v *View, a args) string {
		var got Version
		var err error
		if a.d.HasArg("version") {
			got, err = v.ByID(a.bucket(), a.key(), *a.versionID())
		} else {
			got, err = v.Latest(a.bucket(), a.key())
		}
		if err != nil {
			return strings.TrimSpace(err.Error() + " " + showVersion(got))
		}
		payload, err := v.Payload(got)
		a.must(err)
		return showVersion(got) + "\n" + a.showPayload(v, got, payload)
	},
	"list": func(v *View, a args) string {
		page, err := v.List(ListQuery{a.bucket(), a.text("prefix", ""), a.text("delimiter", ""), a.text("after", ""), a.number("max", 1000)})
		a.must(err)
		var out strings.Builder
		for _, e := range page.Entries {
			out.WriteString(showEntry(e) + "\n")
		}
		if page.Truncated {
			fmt.Fprintf(&out, "more after %s\n", page.Next)
		}
		return out.String()
	},
	"list-versions": func(v *View, a args) string {
		page, err := v.ListVersions(VersionsQuery{
			a.bucket(), a.text("prefix", ""), a.text("delimiter", ""), a.text("after", ""), a.versionID(), a.number("max", 1000),
		})
		a.must(err)
		var out strings.Builder
		for _, e := range page.Entries {
			out.WriteString(showEntry(e) + "\n")
		}
		if page.Truncated {
			fmt.Fprintf(&out, "more after %s", page.NextKey)
			if page.NextVersion != nil {
				fmt.Fprintf(&out, " %s", showID(*page.NextVersion))
			}
		}
		return out.String()
	},
	"uploads": func(v *View, a args) string {
		q := UploadsQuery{
			Bucket: a.bucket(), Prefix: a.text("prefix", ""), Delimiter: a.text("delimiter", ""), KeyMarker: a.text("after", ""), Max: a.number("max", 1000),
		}
		if a.d.HasArg("upload") {
			u := a.upload()
			q.UploadMarker = &u
		}
		page, err := v.Uploads(q)
		a.must(err)
		var out strings.Builder
		for _, e := range page.Entries {
			fmt.Fprintf(&out, "%s %s\n", e.Key, nameOf(e.ID[:]))
		}
		if page.Truncated {
			fmt.Fprintf(&out, "more after %s", page.NextKey)
			if page.NextUpload != nil {
				fmt.Fprintf(&out, " %s", nameOf(page.NextUpload[:]))
			}
		}
		return out.String()
	},
	"parts": func(v *View, a args) string {
		parts, more, err := v.Parts(a.bucket(), a.key(), a.upload(), a.number("after", 0), a.number("max", 1000))
		if err != nil {
			return err.Error()
		}
		var out strings.Builder
		for _, p := range parts {
			out.WriteString(showPart(p) + "\n")
		}
		if more {
			out.WriteString("more\n")
		}
		return out.String()
	},
	"stats": func(v *View, a args) string {
		s, err := v.Stats(a.bucket())
		a.must(err)
		out := fmt.Sprintf("objects=%d versions=%d bytes=%d uploads=%d upload-bytes=%d", s.Objects, s.Versions, s.Bytes, s.Uploads, s.UploadBytes)
		if s.Sealed {
			out += " sealed"
		}
		return out
	},
	"blocks": func(v *View, a args) string {
		var out strings.Builder
		a.must(v.EachReferenced(id.Hash{}, func(r Referenced) bool {
			fmt.Fprintf(&out, "%s: %d of bucket %s\n", nameOf(r.Hash[:]), r.Count, r.Bucket)
			return true
		}))
		garbage, err := v.Garbage(Garbage{}, 1000)
		a.must(err)
		for _, g := range garbage {
			fmt.Fprintf(&out, "%s: garbage since command %d in epoch %d\n", nameOf(g.Hash[:]), g.Fell, g.Epoch)
		}
		doomed, err := v.Doomed(Doomed{}, 1000)
		a.must(err)
		for _, d := range doomed {
			fmt.Fprintf(&out, "%s: doomed at %d\n", nameOf(d.Hash[:]), d.Epoch)
		}
		return out.String()
	},
	"rules": func(v *View, a args) string {
		r, err := v.Rules(a.bucket())
		a.must(err)
		out := [...]string{Unversioned: "never versioned", Enabled: "versioned", Suspended: "suspended"}[r.Versioning]
		if r.Lock.Enabled {
			out += fmt.Sprintf(", object lock: %s days=%d years=%d", lockModeNames[r.Lock.Mode], r.Lock.Days, r.Lock.Years)
		}
		return out
	},
	"group": func(v *View, a args) string {
		epoch, err := v.Epoch()
		a.must(err)
		n, err := v.ReleaseQueueLen()
		a.must(err)
		return fmt.Sprintf("epoch=%d waiting=%d", epoch, n)
	},
}

// args reads the arguments of a directive.
type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
}

func (a args) list(name string) []string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name {
			return arg.Vals
		}
	}
	return nil
}

func (a args) text(name, other string) string {
	if vals := a.list(name); len(vals) > 0 {
		return vals[0]
	}
	return other
}

func (a args) atoi(text string) int {
	n, err := strconv.Atoi(text)
	a.must(err)
	return n
}

func (a args) number(name string, other int) int {
	if text := a.text(name, ""); text != "" {
		return a.atoi(text)
	}
	return other
}

func (a args) key() string       { return a.d.CmdArgs[0].Key }
func (a args) bucket() id.Bucket { return id.Bucket(a.number("bucket", 1)) }

func (a args) upload() (u id.Upload) {
	copy(u[:], a.text("upload", ""))
	return u
}

var lockModeNames = [...]string{NoRetention: "no retention", Governance: "governance", Compliance: "compliance"}

func (a args) lockMode(name string) LockMode {
	if name == "" {
		return NoRetention
	}
	return LockMode(slices.Index(lockModeNames[:], name))
}

// lock reads lock=mode-until and hold=.
func (a args) lock() (l Lock) {
	if text := a.text("lock", ""); text != "" {
		mode, until, _ := strings.Cut(text, "-")
		l.Mode, l.Until = a.lockMode(mode), time.UnixMilli(int64(a.atoi(until))).UTC()
	}
	l.Hold = map[string]Hold{"": HoldUnset, "off": HoldOff, "on": HoldOn}[a.text("hold", "")]
	return l
}

func (a args) now() time.Time {
	if n := a.number("now", 0); n > 0 {
		return time.UnixMilli(int64(n))
	}
	return time.Time{}
}

func (a args) condition() Condition {
	return Condition{IfMatch: a.list("if-match"), IfNoneMatch: a.list("if-none-match")}
}

func (a args) limits() Limits {
	return Limits{Bytes: int64(a.number("max-bytes", 0)), Objects: int64(a.number("max-objects", 0))}
}

func (a args) version() Version {
	return Version{Bucket: a.bucket(), Key: a.key(), ETag: a.text("etag", ""), Modified: time.UnixMilli(1000), Lock: a.lock(), Meta: Meta{
		Headers: map[string]string{"content-type": a.text("type", "")},
	}}
}

func (a args) payload() Payload {
	return Payload{Inline: []byte(a.text("inline", "")), Extents: extentsOf(a.list("blocks")...)}
}

func (a args) versionID() *id.Version {
	text := a.text("version", "")
	if text == "" {
		return nil
	}
	var v id.Version
	if text != id.NullVersion {
		v = id.NewVersion(uint64(a.atoi(strings.TrimPrefix(text, "v"))), [8]byte{})
	}
	return &v
}

func (a args) delete(key string) Delete {
	return Delete{
		Bucket: a.bucket(), Key: key, VersionID: a.versionID(), Condition: a.condition(), Now: a.now(), Bypass: a.d.HasArg("bypass"),
	}
}

func (a args) addresses() (out []block.Address) {
	for _, name := range a.list("blocks") {
		out = append(out, addressOf(a.bucket(), name))
	}
	return out
}

func (a args) showResult(r Result) string {
	if r.Code == EpochTooOld {
		var names []string
		for _, h := range r.Missing {
			names = append(names, nameOf(h[:]))
		}
		return fmt.Sprintf("%s: epoch is %d, missing %s", r.Code, r.Epoch, strings.Join(names, " "))
	}
	out := r.Code.String()
	if r.Version.Seq > 0 {
		out += " " + showVersion(r.Version)
	}
	if r.Part.Seq > 0 {
		out += " " + showPart(r.Part)
	}
	for _, d := range r.Doomed {
		out += " " + nameOf(d.Hash[:])
	}
	return out
}

func (a args) showPayload(v *View, of Version, p Payload) string {
	out := ""
	if len(p.Inline) > 0 {
		out += fmt.Sprintf("inline %s\n", p.Inline)
	}
	for _, e := range p.Extents {
		out += fmt.Sprintf("block %s\n", nameOf(e.Hash[:]))
	}
	for _, ref := range p.Parts {
		out += fmt.Sprintf("part %d at %d: ", ref.Number, ref.Offset)
		part, err := v.PartPayload(of.Bucket, of.Key, of.Upload, ref)
		a.must(err)
		out += strings.ReplaceAll(a.showPayload(v, of, part), "\n", "; ") + "\n"
	}
	return out
}

func sizeOf(p Payload) int64 {
	n := int64(len(p.Inline))
	for _, e := range p.Extents {
		n += int64(e.Length)
	}
	return n
}

func nameOf(b []byte) string { return strings.TrimRight(string(b), "\x00") }

func showID(v id.Version) string {
	if v.IsNull() {
		return id.NullVersion
	}
	if random := binary.BigEndian.Uint64(v[8:]); random != 0 {
		return fmt.Sprintf("v%d-%x", v.Seq(), random)
	}
	return fmt.Sprintf("v%d", v.Seq())
}

func showVersion(v Version) string {
	if v.Seq == 0 {
		return ""
	}
	out := fmt.Sprintf("%s seq=%d", showID(v.ID), v.Seq)
	if v.DeleteMarker {
		out += " marker"
	} else {
		out += fmt.Sprintf(" size=%d", v.Size)
	}
	if v.ETag != "" {
		out += " etag=" + v.ETag
	}
	if v.Parts > 0 {
		out += fmt.Sprintf(" parts=%d", v.Parts)
	}
	if text := v.Meta.Headers["content-type"]; text != "" {
		out += " type=" + text
	}
	if v.Latest {
		out += " latest"
	}
	if v.Lock.Mode != NoRetention {
		out += fmt.Sprintf(" %s-until-%d", lockModeNames[v.Lock.Mode], v.Lock.Until.UnixMilli())
	}
	if v.Lock.Hold != HoldUnset {
		out += [...]string{HoldOff: " hold-off", HoldOn: " hold-on"}[v.Lock.Hold]
	}
	for _, tag := range v.Meta.Tags {
		out += fmt.Sprintf(" %s:%s", tag.Key, tag.Value)
	}
	return out
}

func showEntry(e ListEntry) string {
	if e.CommonPrefix {
		return e.Key + "…"
	}
	v := Version{Seq: max(1, e.ID.Seq()), ID: e.ID, DeleteMarker: e.DeleteMarker, Latest: e.Latest, Size: e.Size, ETag: e.ETag}
	id, rest, _ := strings.Cut(showVersion(v), " seq=")
	_, rest, _ = strings.Cut(rest, " ")
	return e.Key + " " + id + " " + rest
}

func showPart(p Part) string {
	out := fmt.Sprintf("number=%d seq=%d size=%d", p.Number, p.Seq, p.Size)
	if p.ETag != "" {
		out += " etag=" + p.ETag
	}
	return out
}
