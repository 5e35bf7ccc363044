package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/kv/mem"
	"grange/internal/raftgroup/grouppb"
)

// TestScripts runs testdata/*. A script drives the replicas of one group by hand:
//
//	new nodes=3                the replicas, with empty disks
//	campaign n=1               starts an election
//	propose n=1 token=1 x=1    gives a command (the words after the options) to a replica
//	barrier n=1 token=2        asks for a barrier
//	tick n=1 count=5           moves a replica's time
//	write n=1                  writes what waits, and syncs it; count=1 does only the first
//	apply n=1                  applies what waits
//	deliver                    delivers the messages that are under way now; from=, to= pick some; drop loses them
//	settle                     writes, applies and delivers until nothing moves, and tells only answers;
//	                           without=1 loses what goes to and comes from a replica
//	transfer n=1 to=3          asks the leader to hand over
//	crash n=1                  loses what was not synced, and starts the replica again
//	durable n=1                says that what is applied is durable
//	snapshot n=1               sends the snapshots that replica 1 was asked to send
//	status, log n=1, get n=1 key
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, s.run)
	})
}

const scriptGroup = id.Group(16)

type script struct {
	nodes    []*scriptNode
	underWay []Message
	out      strings.Builder
	quiet    bool
}

type scriptNode struct {
	s       *script
	n       int
	db      *mem.DB
	synced  *mem.DB
	core    *Group
	applier *Applier
	boots   uint64
	appends []*Append
	applies []*Apply
	wanted  []SnapshotRequest
}

// scriptMachine sets "key=value"; the result is the number of times that the key was set.
type scriptMachine struct{}

func (scriptMachine) Apply(b kv.Batch, e Entry) ([]byte, error) {
	name, value, _ := strings.Cut(string(e.Command), "=")
	key := StateSpace(scriptGroup).Key([]byte(name))
	old, err := b.Get(key)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, err
	}
	count := 1 + strings.Count(string(old), ",")
	if old == nil {
		return []byte("1"), b.Set(key, []byte(value))
	}
	return fmt.Append(nil, count+1), b.Set(key, []byte(string(old)+","+value))
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	if d.Cmd == "new" {
		s.newNodes(t, d)
		return s.out.String()
	}
	var n *scriptNode
	if d.HasArg("n") {
		var i int
		d.ScanArgs(t, "n", &i)
		n = s.nodes[i-1]
	}
	s.command(t, d, n)
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return s.out.String()
}

func (s *script) newNodes(t *testing.T, d *datadriven.TestData) {
	var count int
	d.ScanArgs(t, "nodes", &count)
	*s = script{}
	var voters []id.Replica
	members := Members{}
	for i := range count {
		voters = append(voters, id.Replica(i+1))
		members[id.Replica(i+1)] = id.Node{15: byte(i + 1)}
	}
	for i := range count {
		n := &scriptNode{s: s, n: i, db: mem.New()}
		s.nodes = append(s.nodes, n)
		b := n.db.NewWriteBatch()
		s.must(Bootstrap(n.db, b, scriptGroup, voters[i], voters, nil, members))
		s.must(b.Commit(true))
		n.synced = n.db.Fork()
		n.start()
	}
}

func (s *script) must(err error) {
	if err != nil {
		fmt.Fprintf(&s.out, "error: %v\n", err)
	}
}

func (s *script) say(n *scriptNode, what any) {
	if _, answer := what.(Done); answer || !s.quiet {
		fmt.Fprintf(&s.out, "%d: %s\n", n.n+1, what)
	}
}

func (s *script) command(t *testing.T, d *datadriven.TestData, n *scriptNode) {
	switch d.Cmd {
	case "campaign":
		s.must(n.core.Campaign())
		n.ready()
	case "propose", "barrier":
		var token int
		d.ScanArgs(t, "token", &token)
		if d.Cmd == "propose" {
			n.core.Propose(Token(token), []byte(d.CmdArgs[len(d.CmdArgs)-1].String()))
		} else {
			n.core.Barrier(Token(token))
		}
		n.ready()
	case "tick":
		count := 1
		d.MaybeScanArgs(t, "count", &count)
		for range count {
			s.must(n.core.Tick())
		}
		n.ready()
	case "write":
		count := len(n.appends)
		d.MaybeScanArgs(t, "count", &count)
		n.write(count)
	case "apply":
		n.apply()
	case "deliver":
		s.deliver(t, d)
	case "settle":
		var without int
		d.MaybeScanArgs(t, "without", &without)
		s.settle(id.Replica(without))
	case "transfer":
		var to int
		d.ScanArgs(t, "to", &to)
		s.must(n.core.Transfer(id.Replica(to)))
		n.ready()
	case "crash":
		n.db = n.synced.Fork()
		n.start()
	case "durable":
		n.core.AppliedDurable(n.core.place.index)
	case "snapshot":
		n.sendSnapshots()
	default:
		s.show(d, n)
	}
}

func (s *script) show(d *datadriven.TestData, n *scriptNode) {
	switch d.Cmd {
	case "status":
		for _, n := range s.nodes {
			fmt.Fprintln(&s.out, n.core.Status())
		}
	case "log":
		s.must(ReadLog(n.db, scriptGroup, func(e LogEntry) error {
			fmt.Fprintln(&s.out, e)
			return nil
		}))
	case "get":
		v, err := n.db.Get(StateSpace(scriptGroup).Key([]byte(d.CmdArgs[len(d.CmdArgs)-1].String())))
		s.must(err)
		fmt.Fprintf(&s.out, "%s\n", v)
	default:
		fmt.Fprintf(&s.out, "unknown command %s\n", d.Cmd)
	}
}

func (n *scriptNode) start() {
	n.boots++
	var err error
	n.core, err = Load(Config{
		Group: scriptGroup, Node: id.Node{15: byte(n.n + 1)}, Boot: n.boots, Reader: n.db,
		ElectionTicks: 1000, HeartbeatTicks: 1, RetryTicks: 3,
		TruncateBytes: 1, FollowerLogBytes: 1, LogBytesMax: 100,
	})
	n.s.must(err)
	n.applier = NewApplier(scriptGroup, scriptMachine{})
	n.appends, n.applies, n.wanted = nil, nil, nil
	n.ready()
}

// ready takes the effects, and tells them.
func (n *scriptNode) ready() {
	out := n.core.Ready()
	for _, a := range out.Appends {
		n.s.say(n, a)
	}
	for _, a := range out.Applies {
		n.s.say(n, a)
	}
	for _, m := range out.Messages {
		n.s.say(n, m)
	}
	for _, req := range out.Snapshots {
		n.s.say(n, Message{From: n.core.self, To: req.To, Raft: req.Message})
	}
	for _, d := range out.Done {
		n.s.say(n, d)
	}
	n.appends = append(n.appends, out.Appends...)
	n.applies = append(n.applies, out.Applies...)
	n.wanted = append(n.wanted, out.Snapshots...)
	n.s.underWay = append(n.s.underWay, out.Messages...)
}

func (n *scriptNode) write(count int) {
	round := n.appends[:count]
	n.appends = n.appends[count:]
	b := n.db.NewWriteBatch()
	sync := false
	for _, a := range round {
		_, err := a.Write(b, nil)
		n.s.must(err)
		sync = sync || a.Sync
	}
	n.s.must(b.Commit(sync))
	if sync {
		n.synced = n.db.Fork()
	}
	for _, a := range round {
		n.s.must(n.core.Appended(a))
	}
	n.ready()
}

func (n *scriptNode) apply() {
	work := n.applies
	n.applies = nil
	for _, w := range work {
		b := n.db.NewBatch()
		res, err := n.applier.Apply(b, w)
		n.s.must(err)
		n.s.must(b.Commit(false))
		n.s.must(n.core.Applied(w, res))
	}
	n.ready()
}

// deliver takes the messages that are under way to their receivers, through their encoded form.
func (s *script) deliver(t *testing.T, d *datadriven.TestData) {
	var from, to int
	d.MaybeScanArgs(t, "from", &from)
	d.MaybeScanArgs(t, "to", &to)
	var now, rest []Message
	for _, m := range s.underWay {
		if (from == 0 || int(m.From) == from) && (to == 0 || int(m.To) == to) {
			now = append(now, m)
		} else {
			rest = append(rest, m)
		}
	}
	s.underWay = rest
	if d.HasArg("drop") {
		return
	}
	s.hand(now)
}

func (s *script) hand(messages []Message) {
	touched := map[int]bool{}
	for _, m := range messages {
		raw, err := EncodeFrame([]Parcel{{Group: scriptGroup, Message: m}})
		s.must(err)
		parcels, err := DecodeFrame(raw)
		s.must(err)
		for _, p := range parcels {
			s.must(s.nodes[m.To-1].core.Step(id.Node{15: byte(m.From)}, p.Message))
			touched[int(m.To)-1] = true
		}
	}
	for i, n := range s.nodes {
		if touched[i] {
			n.ready()
		}
	}
}

// settle lets everything happen until nothing is left.
func (s *script) settle(without id.Replica) {
	s.quiet = true
	defer func() { s.quiet = false }()
	for range 1000 {
		moved := len(s.underWay) > 0
		messages := slices.DeleteFunc(s.underWay, func(m Message) bool { return m.From == without || m.To == without })
		s.underWay = nil
		s.hand(messages)
		for _, n := range s.nodes {
			if n.core.self == without {
				continue
			}
			moved = moved || len(n.appends)+len(n.applies)+len(n.wanted) > 0
			n.write(len(n.appends))
			n.apply()
			n.sendSnapshots()
		}
		if !moved {
			return
		}
	}
	s.say(s.nodes[0], "never settles")
}

func (n *scriptNode) sendSnapshots() {
	wanted := n.wanted
	n.wanted = nil
	for _, req := range wanted {
		to := n.s.nodes[req.To-1]
		var assembler Assembler
		n.s.must(BuildSnapshot(n.db.Snapshot(), scriptGroup, req, 7, 64, func(c *grouppb.Chunk) error {
			image, err := assembler.Add(proto.CloneOf(c))
			if err == nil && image != nil {
				err = to.core.StepSnapshot(id.Node{15: byte(n.n + 1)}, image)
			}
			return err
		}))
		n.core.SnapshotSent(req.To, true)
		to.ready()
		n.ready()
	}
}
