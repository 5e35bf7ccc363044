package core

import (
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"grange/internal/id"
	"grange/internal/kv"
	"grange/internal/raftgroup/grouppb"
)

// ImageBytesMax bounds the snapshot that a replica takes in: it is held in memory until it is complete.
const ImageBytesMax = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Image is a snapshot that arrived whole and was verified.
type Image struct {
	message *raftpb.Message
	place   place
	pairs   []*grouppb.KeyValue
	bytes   int
}

// Index is the place of the state that the snapshot holds.
func (img *Image) Index() uint64 { return img.place.index }

// BuildSnapshot sends the state of a group in chunks of about chunkBytes. r must hold one state, such as a
// kv.Snapshot. What is sent may be newer than what the request describes: the last chunk says what it is.
func BuildSnapshot(
	r kv.Reader, g id.Group, req SnapshotRequest, stream uint64, chunkBytes int, send func(*grouppb.Chunk) error,
) error {
	k := keysOf(g)
	p, err := readPlace(r, k)
	if err != nil {
		return err
	}
	if p.index < req.Message.GetSnapshot().GetMetadata().GetIndex() {
		return fmt.Errorf("snapshot of group %s: %w: state at %d, wanted %d",
			g, ErrCorrupt, p.index, req.Message.GetSnapshot().GetMetadata().GetIndex())
	}
	m := proto.CloneOf(req.Message)
	m.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(p.index), Term: new(p.term), ConfState: p.conf,
	}}
	c := chunker{stream: stream, bytesMax: chunkBytes, send: send}
	for _, table := range snapshotTables {
		if err := c.table(r, k.space, table); err != nil {
			return fmt.Errorf("snapshot of group %s: %w", g, err)
		}
	}
	raw, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("snapshot of group %s: %w", g, err)
	}
	return c.flush(raw)
}

// chunker cuts a walk over keys into chunks.
type chunker struct {
	stream, seq uint64
	bytesMax    int
	send        func(*grouppb.Chunk) error
	pairs       []*grouppb.KeyValue
	bytes       int
}

func (c *chunker) table(r kv.Reader, space kv.Space, table byte) error {
	it, err := r.NewIter(space.Sub(table).Bounds())
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		c.pairs = append(c.pairs, &grouppb.KeyValue{
			Key: append([]byte(nil), it.Key()[len(space):]...), Value: append([]byte(nil), it.Value()...),
		})
		c.bytes += len(it.Key()) + len(it.Value())
		if c.bytes >= c.bytesMax {
			if err := c.flush(nil); err != nil {
				return errors.Join(err, it.Close())
			}
		}
	}
	return errors.Join(it.Error(), it.Close())
}

func (c *chunker) flush(last []byte) error {
	chunk := &grouppb.Chunk{
		Stream: c.stream, Seq: c.seq, Pairs: c.pairs, Checksum: checksum(c.pairs), Snapshot: last,
	}
	c.seq++
	c.pairs, c.bytes = nil, 0
	return c.send(chunk)
}

// checksum covers keys and values with their lengths.
func checksum(pairs []*grouppb.KeyValue) uint32 {
	sum := uint32(0)
	for _, p := range pairs {
		for _, part := range [][]byte{p.GetKey(), p.GetValue()} {
			n := len(part)
			sum = crc32.Update(sum, castagnoli, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
			sum = crc32.Update(sum, castagnoli, part)
		}
	}
	return sum
}

// Assembler puts the chunks of one transfer together.
type Assembler struct {
	stream, next uint64
	pairs        []*grouppb.KeyValue
	bytes        int
}

// ErrBrokenStream reports a snapshot with a chunk missing or damaged. The sender will start again.
var ErrBrokenStream = errors.New("raftgroup: broken snapshot stream")

// Add takes the next chunk. It returns the image with the last one.
func (a *Assembler) Add(c *grouppb.Chunk) (*Image, error) {
	if c.GetSeq() == 0 {
		*a = Assembler{stream: c.GetStream()}
	}
	switch {
	case c.GetStream() != a.stream || c.GetSeq() != a.next:
		return nil, fmt.Errorf("%w: chunk %d of stream %x, expected %d of %x",
			ErrBrokenStream, c.GetSeq(), c.GetStream(), a.next, a.stream)
	case checksum(c.GetPairs()) != c.GetChecksum():
		return nil, fmt.Errorf("%w: checksum of chunk %d", ErrBrokenStream, c.GetSeq())
	}
	a.next++
	for _, p := range c.GetPairs() {
		a.bytes += len(p.GetKey()) + len(p.GetValue())
	}
	if a.bytes > ImageBytesMax {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrBrokenStream, ImageBytesMax)
	}
	a.pairs = append(a.pairs, c.GetPairs()...)
	if len(c.GetSnapshot()) == 0 {
		return nil, nil
	}
	img, err := newImage(a.pairs, c.GetSnapshot(), a.bytes)
	*a = Assembler{}
	return img, err
}

func newImage(pairs []*grouppb.KeyValue, raw []byte, bytes int) (*Image, error) {
	img := &Image{message: new(raftpb.Message), pairs: pairs, bytes: bytes}
	if err := proto.Unmarshal(raw, img.message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBrokenStream, err)
	}
	for _, p := range pairs {
		if err := img.checkPair(p); err != nil {
			return nil, err
		}
	}
	meta := img.message.GetSnapshot().GetMetadata()
	if img.message.GetType() != raftpb.MsgSnap || img.message.GetTerm() == 0 || img.place.index == 0 ||
		img.place.index != meta.GetIndex() || img.place.term != meta.GetTerm() {
		return nil, fmt.Errorf("%w: it does not hold what it says", ErrBrokenStream)
	}
	if err := img.place.conf.Equivalent(meta.GetConfState()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBrokenStream, err)
	}
	return img, nil
}

// checkPair lets only keys of the replicated state through, and reads the place.
func (img *Image) checkPair(p *grouppb.KeyValue) error {
	if len(p.GetKey()) == 0 {
		return fmt.Errorf("%w: empty key", ErrBrokenStream)
	}
	switch p.GetKey()[0] {
	case tableApplied:
		var rec grouppb.Applied
		if err := decodeRecord(p.GetValue(), &rec); err != nil {
			return err
		}
		place, err := decodePlace(&rec)
		img.place = place
		return err
	case tableSession, tableResult, tableState:
		return nil
	default:
		return fmt.Errorf("%w: key %x", ErrBrokenStream, p.GetKey())
	}
}
