package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"grange/internal/block"
	"grange/internal/checksum"
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// format is the first byte of every stored value, command and result.
const format = 1

// encode is the byte form of a message. It cannot fail: no message has a text field that must be UTF-8, or a required one.
func encode(m proto.Message) []byte {
	options := proto.MarshalOptions{Deterministic: true}
	out, err := options.MarshalAppend(append(make([]byte, 0, 1+options.Size(m)), format), m)
	if err != nil {
		panic(fmt.Sprintf("index: encode %T: %v", m, err))
	}
	return out
}

// decode reads what encode wrote into m, which may be used again and again.
func decode(raw []byte, m proto.Message) error {
	switch {
	case len(raw) == 0:
		return fmt.Errorf("%w: %T of no bytes", ErrCorrupt, m)
	case raw[0] != format:
		return fmt.Errorf("%w: %T in format %d, this program knows %d", ErrFormat, m, raw[0], format)
	}
	if err := proto.Unmarshal(raw[1:], m); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrCorrupt, m, err)
	}
	return nil
}

// millis is the stored form of a time; 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// orNil leaves the zero value of an id out of a message.
func orNil(b []byte) []byte {
	if bytes.Count(b, []byte{0}) == len(b) {
		return nil
	}
	return b
}

// fill copies an id of fixed length out of a message; an absent one stays zero.
func fill(dst, src []byte) error {
	if len(src) != 0 && len(src) != len(dst) {
		return fmt.Errorf("%w: id of %d bytes, not %d", ErrCorrupt, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func checksumToPB(v checksum.Value) *indexpb.Checksum {
	if v.IsZero() {
		return nil
	}
	return &indexpb.Checksum{Algorithm: uint32(v.Algorithm), Type: uint32(v.Type), Sum: v.Sum, Parts: uint32(v.Parts)}
}

func checksumFromPB(p *indexpb.Checksum) checksum.Value {
	algorithm := checksum.Algorithm(p.GetAlgorithm())
	if algorithm == checksum.None {
		return checksum.Value{}
	}
	return checksum.Value{
		Algorithm: algorithm,
		Type:      checksum.Type(p.GetType()),
		Sum:       p.GetSum(),
		Parts:     int(p.GetParts()),
	}
}

// encodeMeta is the nested form of what a listing does not show of a Meta; nil when there is nothing.
func encodeMeta(m *Meta) []byte {
	p := &indexpb.Meta{
		Headers:           pairs(m.Headers),
		User:              pairs(m.User),
		ChecksumAlgorithm: uint32(m.ChecksumAlgorithm),
		ChecksumType:      uint32(m.ChecksumType),
	}
	p.Tags = tagsToPB(m.Tags)
	return metaRow(p)
}

// metaRow is the nested form of a Meta message; nil when it says nothing.
func metaRow(p *indexpb.Meta) []byte {
	if proto.Size(p) == 0 {
		return nil
	}
	return encode(p)
}

func tagsToPB(tags []Tag) (out []*indexpb.Pair) {
	for _, tag := range tags {
		out = append(out, &indexpb.Pair{Name: []byte(tag.Key), Value: []byte(tag.Value)})
	}
	return out
}

func lockToPB(l Lock) *indexpb.Lock {
	if l == (Lock{}) {
		return nil
	}
	return &indexpb.Lock{Mode: uint32(l.Mode), Until: millis(l.Until), Hold: uint32(l.Hold)}
}

func lockFromPB(p *indexpb.Lock) Lock {
	return Lock{Mode: LockMode(p.GetMode()), Until: fromMillis(p.GetUntil()), Hold: Hold(p.GetHold())}
}

func lockRuleToPB(r LockRule) *indexpb.LockRule {
	if !r.Enabled {
		return nil
	}
	return &indexpb.LockRule{Mode: uint32(r.Mode), Days: uint32(r.Days), Years: uint32(r.Years)}
}

func lockRuleFromPB(p *indexpb.LockRule) LockRule {
	return LockRule{Enabled: p != nil, Mode: LockMode(p.GetMode()), Days: int(p.GetDays()), Years: int(p.GetYears())}
}

func pairs(m map[string]string) (out []*indexpb.Pair) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, &indexpb.Pair{Name: []byte(name), Value: []byte(m[name])})
	}
	return out
}

// decodeMeta fills in what encodeMeta wrote.
func decodeMeta(raw []byte, m *Meta) error {
	if len(raw) == 0 {
		return nil
	}
	var p indexpb.Meta
	if err := decode(raw, &p); err != nil {
		return err
	}
	m.Headers, m.User = fromPairs(p.GetHeaders()), fromPairs(p.GetUser())
	for _, tag := range p.GetTags() {
		m.Tags = append(m.Tags, Tag{string(tag.GetName()), string(tag.GetValue())})
	}
	m.ChecksumAlgorithm = checksum.Algorithm(p.GetChecksumAlgorithm())
	m.ChecksumType = checksum.Type(p.GetChecksumType())
	return nil
}

func fromPairs(ps []*indexpb.Pair) map[string]string {
	if len(ps) == 0 {
		return nil
	}
	m := make(map[string]string, len(ps))
	for _, p := range ps {
		m[string(p.GetName())] = string(p.GetValue())
	}
	return m
}

// recordToPB is the stored form of a version; the bucket, the key and whether it is the latest are in the row's place.
func recordToPB(v *Version) *indexpb.Record {
	return &indexpb.Record{
		Seq:          v.Seq,
		Null:         v.ID.IsNull(),
		Random:       binary.BigEndian.Uint64(v.ID[8:]),
		DeleteMarker: v.DeleteMarker,
		Size:         v.Size,
		Etag:         []byte(v.ETag),
		Modified:     millis(v.Modified),
		Checksum:     checksumToPB(v.Checksum),
		Parts:        uint32(v.Parts),
		Upload:       orNil(v.Upload[:]),
		Owner:        orNil(v.Meta.Owner[:]),
		StorageClass: []byte(v.Meta.StorageClass),
		Meta:         encodeMeta(&v.Meta),
		Lock:         lockToPB(v.Lock),
	}
}

// recordID is the version id of a record.
func recordID(p *indexpb.Record) id.Version {
	if p.GetNull() {
		return id.Version{}
	}
	return id.NewVersion(p.GetSeq(), randomBytes(p.GetRandom()))
}

func randomBytes(n uint64) (b [8]byte) {
	binary.BigEndian.PutUint64(b[:], n)
	return b
}

// recordFromPB is the version that a record describes, without bucket, key and latest.
func recordFromPB(p *indexpb.Record) (Version, error) {
	v := Version{
		Seq:          p.GetSeq(),
		ID:           recordID(p),
		DeleteMarker: p.GetDeleteMarker(),
		Size:         p.GetSize(),
		ETag:         string(p.GetEtag()),
		Modified:     fromMillis(p.GetModified()),
		Checksum:     checksumFromPB(p.GetChecksum()),
		Parts:        int(p.GetParts()),
		Lock:         lockFromPB(p.GetLock()),
		Meta:         Meta{StorageClass: string(p.GetStorageClass())},
	}
	err := cmp.Or(
		fill(v.Upload[:], p.GetUpload()),
		fill(v.Meta.Owner[:], p.GetOwner()),
		decodeMeta(p.GetMeta(), &v.Meta),
	)
	return v, err
}

func payloadToPB(p *Payload) *indexpb.Payload {
	out := &indexpb.Payload{Inline: p.Inline, Extents: make([]*indexpb.Extent, 0, len(p.Extents))}
	for i := range p.Extents {
		e := &p.Extents[i]
		out.Extents = append(out.Extents, &indexpb.Extent{Hash: e.Hash[:], Size: e.Size, Offset: e.Offset, Length: e.Length})
	}
	out.Parts = partRefsToPB(p.Parts)
	return out
}

func payloadFromPB(p *indexpb.Payload) (Payload, error) {
	out := Payload{Inline: p.GetInline()}
	if n := len(p.GetExtents()); n > 0 {
		out.Extents = make([]Extent, n)
	}
	for i, m := range p.GetExtents() {
		e := Extent{Size: m.GetSize(), Offset: m.GetOffset(), Length: m.GetLength()}
		if len(m.GetHash()) != hashLen {
			return Payload{}, fmt.Errorf("%w: hash of %d bytes", ErrCorrupt, len(m.GetHash()))
		}
		copy(e.Hash[:], m.GetHash())
		out.Extents[i] = e
	}
	out.Parts = partRefsFromPB(p.GetParts())
	return out, nil
}

func partRefsToPB(refs []PartRef) (out []*indexpb.PartRef) {
	for i := range refs {
		r := &refs[i]
		out = append(out, &indexpb.PartRef{
			Number: uint32(r.Number), Seq: r.Seq, Size: r.Size, Offset: r.Offset,
			Etag: []byte(r.ETag), Checksum: checksumToPB(r.Checksum),
		})
	}
	return out
}

func partRefsFromPB(ps []*indexpb.PartRef) (out []PartRef) {
	for _, p := range ps {
		out = append(out, PartRef{
			Number: int(p.GetNumber()), Seq: p.GetSeq(), Size: p.GetSize(), Offset: p.GetOffset(),
			ETag: string(p.GetEtag()), Checksum: checksumFromPB(p.GetChecksum()),
		})
	}
	return out
}

func uploadToPB(u *Upload) *indexpb.Upload {
	return &indexpb.Upload{
		Initiated:    millis(u.Initiated),
		Initiator:    orNil(u.Initiator[:]),
		Owner:        orNil(u.Meta.Owner[:]),
		StorageClass: []byte(u.Meta.StorageClass),
		Meta:         encodeMeta(&u.Meta),
		Lock:         lockToPB(u.Lock),
	}
}

func uploadFromPB(p *indexpb.Upload) (Upload, error) {
	u := Upload{
		Initiated: fromMillis(p.GetInitiated()),
		Lock:      lockFromPB(p.GetLock()),
		Meta:      Meta{StorageClass: string(p.GetStorageClass())},
	}
	err := cmp.Or(
		fill(u.Initiator[:], p.GetInitiator()),
		fill(u.Meta.Owner[:], p.GetOwner()),
		decodeMeta(p.GetMeta(), &u.Meta),
	)
	return u, err
}

func partToPB(part *Part) *indexpb.Part {
	return &indexpb.Part{
		Seq: part.Seq, Size: part.Size, Etag: []byte(part.ETag),
		Modified: millis(part.Modified), Checksum: checksumToPB(part.Checksum),
	}
}

func partFromPB(number int, p *indexpb.Part) Part {
	return Part{
		Number: number, Seq: p.GetSeq(), Size: p.GetSize(), ETag: string(p.GetEtag()),
		Modified: fromMillis(p.GetModified()), Checksum: checksumFromPB(p.GetChecksum()),
	}
}

func addressesToPB(blocks []block.Address) (out []*indexpb.Address) {
	for i := range blocks {
		out = append(out, &indexpb.Address{Bucket: uint64(blocks[i].Bucket), Hash: blocks[i].Hash[:]})
	}
	return out
}

func addressesFromPB(ps []*indexpb.Address) (out []block.Address, err error) {
	for _, p := range ps {
		a := block.Address{Bucket: id.Bucket(p.GetBucket())}
		if len(p.GetHash()) != hashLen {
			return nil, fmt.Errorf("%w: hash of %d bytes", ErrCorrupt, len(p.GetHash()))
		}
		copy(a.Hash[:], p.GetHash())
		out = append(out, a)
	}
	return out, nil
}
