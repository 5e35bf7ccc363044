package core

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"grange/internal/raftgroup/grouppb"
)

func sampleEnvelopes() []*grouppb.Envelope {
	node := bytes.Repeat([]byte{7}, 16)
	return []*grouppb.Envelope{
		{Version: 1, Session: 3, Seq: 1, Low: 1, Command: []byte("a=1")},
		{Version: 1, Session: 1 << 60, Seq: 1 << 50, Low: 1 << 49},
		{Version: 1, Open: &grouppb.OpenSession{Node: node, Boot: 1 << 63, Nonce: 4}},
		{Version: 1, Session: 3, Seq: 9, Low: 2, Members: []*grouppb.Member{{Replica: 4, Node: node}, {Replica: 5, Node: node}}},
	}
}

// viaHand turns a generated envelope into ours and back.
func viaHand(e envelope) *grouppb.Envelope {
	return &grouppb.Envelope{
		Version: 1, Session: e.session, Seq: e.seq, Low: e.low, Command: e.command, Open: e.open, Members: e.members,
	}
}

func TestEnvelopeIsReadAndWrittenLikeItsGeneratedTwin(t *testing.T) {
	for _, want := range sampleEnvelopes() {
		raw, err := proto.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		e, err := decodeEnvelope(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, viaHand(e), protocmp.Transform()); diff != "" {
			t.Errorf("read by hand (-want +got):\n%s", diff)
		}
		raw, err = e.encode()
		if err != nil {
			t.Fatal(err)
		}
		got := new(grouppb.Envelope)
		if err := proto.Unmarshal(raw, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("written by hand (-want +got):\n%s", diff)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, e := range sampleEnvelopes() {
		raw, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decodeEnvelope(raw)
		if err != nil {
			return
		}
		again, err := e.encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := decodeEnvelope(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(viaHand(e), viaHand(second), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add(appendEntry(nil, &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Term: new(uint64(7)), Data: []byte("data")}))
	f.Add(appendEntry(nil, &raftpb.Entry{Type: raftpb.EntryConfChangeV2.Enum(), Term: new(uint64(1))}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decodeEntry(5, raw)
		if err != nil {
			return
		}
		if again := appendEntry(nil, e); !bytes.Equal(again, raw) {
			t.Errorf("got %x, want %x", again, raw)
		}
	})
}

func TestNewerRecordsAreRefused(t *testing.T) {
	newer, err := proto.Marshal(&grouppb.Envelope{Version: recordVersion + 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeEnvelope(newer); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("envelope: got %v, want ErrNewerFormat", err)
	}
	entry := appendEntry(nil, &raftpb.Entry{})
	entry[0] = entryFormat + 1
	if _, err := decodeEntry(1, entry); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("entry: got %v, want ErrNewerFormat", err)
	}
	if err := decodeRecord(newer, new(grouppb.Envelope)); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("record: got %v, want ErrNewerFormat", err)
	}
}

func sampleParcels() []Parcel {
	raftMessage := func(m *raftpb.Message) Parcel {
		m.From, m.To, m.Term = new(uint64(1)), new(uint64(2)), new(uint64(3))
		return Parcel{Group: 16, Message: Message{From: 1, To: 2, Raft: m}}
	}
	chunk := &grouppb.Chunk{Stream: 5, Pairs: []*grouppb.KeyValue{{Key: []byte("s1"), Value: []byte("v")}}}
	chunk.Checksum = checksum(chunk.GetPairs())
	return []Parcel{
		raftMessage(&raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), Commit: new(uint64(9)), Context: []byte("12345678")}),
		raftMessage(&raftpb.Message{Type: raftpb.MsgHeartbeatResp.Enum(), Context: []byte("12345678")}),
		raftMessage(&raftpb.Message{
			Type: raftpb.MsgApp.Enum(), Index: new(uint64(4)), LogTerm: new(uint64(2)), Commit: new(uint64(4)),
			Entries: []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Index: new(uint64(5)), Term: new(uint64(3)), Data: []byte("x")}},
		}),
		{Group: 17, Message: Message{From: 1, To: 2, Refused: true}},
		{Group: 17, Message: Message{From: 1, To: 2, Forward: []*raftpb.Entry{{Type: raftpb.EntryNormal.Enum(), Data: []byte("y")}}}},
		{Group: 17, Message: Message{From: 1, To: 2}, Chunk: chunk},
	}
}

func TestFramesKeepWhatTheyCarry(t *testing.T) {
	want := sampleParcels()
	raw, err := EncodeFrame(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeFrame(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzFrame(f *testing.F) {
	raw, err := EncodeFrame(sampleParcels())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		parcels, err := DecodeFrame(raw)
		if err != nil {
			return
		}
		again, err := EncodeFrame(parcels)
		if err != nil {
			return // invalid UTF-8 or the like inside a raft message
		}
		second, err := DecodeFrame(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(second) != len(parcels) {
			t.Fatalf("got %d parcels, want %d", len(second), len(parcels))
		}
		var a Assembler
		for _, p := range parcels {
			if p.Message.Raft != nil {
				_ = checkRaft(p.Message.Raft)
			}
			for _, e := range p.Message.Forward {
				_ = checkForwarded(e)
			}
			if p.Chunk != nil {
				_, _ = a.Add(p.Chunk)
			}
		}
	})
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	pairs := func() []*grouppb.KeyValue {
		return []*grouppb.KeyValue{{Key: []byte("sk"), Value: []byte("v")}}
	}
	for name, damage := range map[string]func(*grouppb.Chunk){
		"a bit of a value":               func(c *grouppb.Chunk) { c.Pairs[0].Value[0] ^= 1 },
		"a byte moved from key to value": func(c *grouppb.Chunk) { c.Pairs[0].Key, c.Pairs[0].Value = []byte("s"), []byte("kv") },
		"a chunk left out":               func(c *grouppb.Chunk) { c.Seq = 2 },
		"another stream":                 func(c *grouppb.Chunk) { c.Stream = 2 },
	} {
		var a Assembler
		if _, err := a.Add(&grouppb.Chunk{Stream: 1}); err != nil {
			t.Fatal(err)
		}
		c := &grouppb.Chunk{Stream: 1, Seq: 1, Pairs: pairs(), Checksum: checksum(pairs())}
		damage(c)
		if _, err := a.Add(c); !errors.Is(err, ErrBrokenStream) {
			t.Errorf("%s: got %v, want ErrBrokenStream", name, err)
		}
	}
}

func TestMessagesThatWouldStopRaftAreRefused(t *testing.T) {
	term := new(uint64(2))
	entry := func(index, term uint64) *raftpb.Entry { return &raftpb.Entry{Index: new(index), Term: new(term)} }
	for name, m := range map[string]*raftpb.Message{
		"short read context":     {Type: raftpb.MsgHeartbeatResp.Enum(), Term: term, Context: []byte("123")},
		"local type":             {Type: raftpb.MsgHup.Enum(), Term: term},
		"storage type":           {Type: raftpb.MsgStorageAppendResp.Enum(), Term: term},
		"proposal":               {Type: raftpb.MsgProp.Enum(), Term: term},
		"no term":                {Type: raftpb.MsgVote.Enum()},
		"read without context":   {Type: raftpb.MsgReadIndex.Enum()},
		"snapshot without state": {Type: raftpb.MsgSnap.Enum(), Term: term},
		"hole in the entries":    {Type: raftpb.MsgApp.Enum(), Term: term, Entries: []*raftpb.Entry{entry(1, 1), entry(3, 1)}},
		"entries of the future":  {Type: raftpb.MsgApp.Enum(), Term: term, Entries: []*raftpb.Entry{entry(1, 3)}},
		"terms that fall":        {Type: raftpb.MsgApp.Enum(), Term: term, Entries: []*raftpb.Entry{entry(1, 2), entry(2, 1)}},
	} {
		if err := checkRaft(m); !errors.Is(err, ErrBadMessage) {
			t.Errorf("%s: got %v, want ErrBadMessage", name, err)
		}
	}
}
