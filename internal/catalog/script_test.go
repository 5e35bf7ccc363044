package catalog_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup"
)

var space = raftgroup.StateSpace(id.SystemGroup)

// local is a proposer without replication: it applies each command at once. It fails the test when a refused command
// would change anything.
type local struct {
	t       testing.TB
	db      kv.Store
	machine *catalog.Machine
	log     [][]byte
	results [][]byte
}

func newLocal(t testing.TB, db kv.Store) *local {
	return &local{t: t, db: db, machine: catalog.NewMachine(space)}
}

func (l *local) Propose(_ context.Context, g id.Group, command []byte) ([]byte, error) {
	if g != id.SystemGroup {
		l.t.Errorf("proposed to group %d", g)
	}
	l.log = append(l.log, slices.Clone(command))
	b := l.db.NewBatch()
	defer b.Close()
	empty := b.Len()
	result, err := l.machine.Apply(b, raftgroup.Entry{Index: uint64(len(l.log)), Command: command})
	if err != nil {
		l.t.Errorf("apply %s: %v", catalog.DescribeCommand(command), err)
		return nil, err
	}
	if err := catalog.ResultError(result); err != nil && b.Len() != empty {
		l.t.Errorf("%s was refused (%v) and wrote %d bytes", catalog.DescribeCommand(command), err, b.Len())
	}
	l.results = append(l.results, result)
	return result, b.Commit(false)
}

func (l *local) Barrier(context.Context, id.Group) error { return nil }

func newClient(t testing.TB) (*catalog.Client, *local) {
	l := newLocal(t, mem.New())
	return catalog.NewClient(l, l.db), l
}

// TestScripts runs the scripts of testdata, which show what each command does.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		c, _ := newClient(t)
		s := &script{t: t, c: c, ctx: t.Context()}
		datadriven.RunTest(t, path, s.run)
	})
}

// script runs commands of the form `name arg=value …` against a client. Nodes are written as n1, n2, …; accounts and
// buckets by name; a space in a value as '_'.
type script struct {
	t   *testing.T
	c   *catalog.Client
	ctx context.Context
	d   *datadriven.TestData
	// numbers remembers the buckets by name, also those that are gone.
	numbers map[string]id.Bucket
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.t, s.d = t, d
	run, ok := scriptCommands[d.Cmd]
	if !ok {
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	answer, err := run(s)
	if err != nil {
		return err.Error()
	}
	if answer == "" {
		return "ok"
	}
	return answer
}

// arg is the text of an argument, "" without it.
func (s *script) arg(name string) string {
	v, _ := s.opt(name)
	return v
}

func (s *script) opt(name string) (string, bool) {
	for _, a := range s.d.CmdArgs {
		if a.Key == name {
			return strings.ReplaceAll(strings.Join(a.Vals, ","), "_", " "), true
		}
	}
	return "", false
}

func (s *script) num(name string) int64 {
	var n int64
	if v, ok := s.opt(name); ok {
		if _, err := fmt.Sscan(v, &n); err != nil {
			s.d.Fatalf(s.t, "%s=%q: %v", name, v, err)
		}
	}
	return n
}

func (s *script) node(name string) (n id.Node) {
	var number byte
	if _, err := fmt.Sscanf(name, "n%d", &number); err != nil {
		s.d.Fatalf(s.t, "node %q: %v", name, err)
	}
	n[0] = number
	return n
}

func (s *script) nodes(name string) (nodes []id.Node) {
	for part := range strings.SplitSeq(s.arg(name), ",") {
		nodes = append(nodes, s.node(part))
	}
	return nodes
}

func (s *script) nodeRecord() catalog.Node {
	return catalog.Node{
		ID: s.node(s.arg("node")), Zone: s.arg("zone"), Capacity: s.num("capacity"),
		Witness: s.arg("witness") == "yes", Address: s.arg("address"), Format: uint32(s.num("format")),
	}
}

func (s *script) account(name string) id.Account {
	a, err := s.c.View().AccountByName(name)
	if err != nil {
		return id.Account{31: 1}
	}
	return a.ID
}

func (s *script) accountName(a id.Account) string {
	account, err := s.c.View().Account(a)
	if err != nil {
		s.d.Fatalf(s.t, "account %s: %v", a, err)
	}
	return account.Name
}

func (s *script) bucket(name string) id.Bucket {
	if b, err := s.c.View().BucketByName(name); err == nil {
		return b.ID
	}
	return s.numbers[name]
}

func (s *script) rights(text string) (r catalog.Rights) {
	for _, c := range text {
		r |= map[rune]catalog.Rights{'r': catalog.Read, 'w': catalog.Write, 'o': catalog.Owner}[c]
	}
	return r
}

// scope reads "bucket:rw,other:r"; "none" is the empty scope.
func (s *script) scope() *[]catalog.Grant {
	text, ok := s.opt("scope")
	if !ok {
		return nil
	}
	scope := []catalog.Grant{}
	if text == "none" {
		return &scope
	}
	for part := range strings.SplitSeq(text, ",") {
		name, rights, _ := strings.Cut(part, ":")
		scope = append(scope, catalog.Grant{Bucket: s.bucket(name), Rights: s.rights(rights)})
	}
	return &scope
}

func (s *script) keyOptions() catalog.KeyOptions {
	o := catalog.KeyOptions{
		Name: s.arg("name"), Account: s.arg("account"),
		CreateBuckets: s.arg("create-buckets") == "yes", Narrowed: s.arg("narrowed") == "yes",
	}
	if scope := s.scope(); scope != nil {
		o.Scope = *scope
	}
	return o
}

func flag(s *script, name string) *bool {
	v, ok := s.opt(name)
	if !ok {
		return nil
	}
	return new(v == "yes")
}

func text(s *script, name string) *string {
	v, ok := s.opt(name)
	if !ok {
		return nil
	}
	return &v
}

func showRights(r catalog.Rights) string {
	var b strings.Builder
	for i, c := range "rwo" {
		if r&(1<<i) != 0 {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func (s *script) showKey(k catalog.AccessKey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key %s of %s, name %q", k.ID, s.accountName(k.Account), k.Name)
	if k.Disabled {
		b.WriteString(", disabled")
	}
	if !k.Expires.IsZero() {
		fmt.Fprintf(&b, ", until %s", k.Expires.Format(time.DateOnly))
	}
	if k.CreateBuckets {
		b.WriteString(", creates buckets")
	}
	if k.Narrowed {
		b.WriteString(", only")
		for _, g := range k.Scope {
			fmt.Fprintf(&b, " %d:%s", g.Bucket, showRights(g.Rights))
		}
	}
	return b.String()
}

func (s *script) showBucket(b catalog.Bucket) string {
	var out strings.Builder
	fmt.Fprintf(&out, "bucket %d %s of %s, group %d", b.ID, b.Name, s.accountName(b.Account), b.Ranges[0].Group)
	if b.State == catalog.BucketDeleting {
		out.WriteString(", deleting")
	}
	if b.Limits != (catalog.Limits{}) {
		fmt.Fprintf(&out, ", at most %d bytes, %d objects", b.Limits.Bytes, b.Limits.Objects)
	}
	for _, g := range b.Grants {
		fmt.Fprintf(&out, ", %s:%s", g.AccessKeyID, showRights(g.Rights))
	}
	for _, name := range slices.Sorted(maps.Keys(b.Config)) {
		fmt.Fprintf(&out, ", %s=%q", name, b.Config[name])
	}
	return out.String()
}

func (s *script) showGroup(g catalog.Group) string {
	var b strings.Builder
	fmt.Fprintf(&b, "group %d:", g.ID)
	for _, m := range g.Members {
		kind := ""
		if m.Learner {
			kind = " (learner)"
		}
		fmt.Fprintf(&b, " replica %d on n%d%s", m.Replica, m.Node[0], kind)
	}
	return b.String()
}

func lines[T any](entries []T, show func(T) string) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, show(e))
	}
	if len(entries) == 0 {
		return "none"
	}
	return b.String()
}

func (s *script) page() catalog.Page {
	return catalog.Page{Prefix: s.arg("prefix"), After: s.arg("after"), Max: int(s.num("max"))}
}

func paged[T any](entries []T, next string, err error, show func(T) string) (string, error) {
	if err != nil {
		return "", err
	}
	if next != "" {
		return lines(entries, show) + "next after " + next, nil
	}
	return lines(entries, show), nil
}

func existed(was bool, err error) (string, error) {
	if was {
		return "ok, as before", err
	}
	return "", err
}

func sum(content string) [32]byte { return sha256.Sum256([]byte(content)) }
