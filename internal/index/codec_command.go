package index

import (
	"encoding/binary"
	"fmt"

	"grange/internal/block"
	"grange/internal/id"
	"grange/internal/index/indexpb"
)

// Encode is the form of a command that is proposed to the group and that Machine.Apply reads.
func Encode(c Command) []byte {
	var m indexpb.Command
	switch c := c.(type) {
	case Put:
		m.Kind = &indexpb.Command_Put{Put: putToPB(&c)}
	case Delete:
		m.Kind = &indexpb.Command_Delete{Delete: deleteToPB(&c)}
	case DeleteMany:
		many := &indexpb.DeleteMany{Bucket: uint64(c.Bucket)}
		for i := range c.Deletes {
			d := deleteToPB(&c.Deletes[i])
			d.Bucket = 0
			many.Deletes = append(many.Deletes, d)
		}
		m.Kind = &indexpb.Command_DeleteMany{DeleteMany: many}
	case CreateUpload:
		m.Kind = &indexpb.Command_CreateUpload{CreateUpload: &indexpb.CreateUpload{
			Bucket: uint64(c.Upload.Bucket), Key: []byte(c.Upload.Key), Id: c.Upload.ID[:], Upload: uploadToPB(&c.Upload),
		}}
	case PutPart:
		m.Kind = &indexpb.Command_PutPart{PutPart: putPartToPB(&c)}
	case CompleteUpload:
		m.Kind = &indexpb.Command_CompleteUpload{CompleteUpload: completeToPB(&c)}
	case AbortUpload:
		m.Kind = &indexpb.Command_AbortUpload{AbortUpload: &indexpb.AbortUpload{
			Bucket: uint64(c.Bucket), Key: []byte(c.Key), Upload: c.Upload[:],
		}}
	case SetVersioning:
		m.Kind = &indexpb.Command_SetVersioning{SetVersioning: &indexpb.SetVersioning{Bucket: uint64(c.Bucket), Mode: uint32(c.Mode)}}
	case SetLockRule:
		c.Rule.Enabled = true
		m.Kind = &indexpb.Command_SetLockRule{SetLockRule: &indexpb.SetLockRule{
			Bucket: uint64(c.Bucket), Rule: lockRuleToPB(c.Rule), Fresh: c.Fresh,
		}}
	case SetTags:
		m.Kind = &indexpb.Command_SetTags{SetTags: &indexpb.SetTags{
			Bucket: uint64(c.Bucket), Key: []byte(c.Key), VersionId: versionIDToPB(c.VersionID), Tags: tagsToPB(c.Tags),
		}}
	case SetRetention:
		m.Kind = &indexpb.Command_SetRetention{SetRetention: &indexpb.SetRetention{
			Bucket: uint64(c.Bucket), Key: []byte(c.Key), VersionId: versionIDToPB(c.VersionID),
			Mode: uint32(c.Mode), Until: millis(c.Until), Now: millis(c.Now), Bypass: c.Bypass,
		}}
	case SetHold:
		m.Kind = &indexpb.Command_SetHold{SetHold: &indexpb.SetHold{
			Bucket: uint64(c.Bucket), Key: []byte(c.Key), VersionId: versionIDToPB(c.VersionID), On: c.On,
		}}
	case SealBucket:
		m.Kind = &indexpb.Command_SealBucket{SealBucket: &indexpb.SealBucket{Bucket: uint64(c.Bucket)}}
	case Release:
		m.Kind = &indexpb.Command_Release{Release: &indexpb.ReleaseSome{Max: uint32(max(0, c.Max)), Time: millis(c.Time)}}
	case Doom:
		m.Kind = &indexpb.Command_Doom{Doom: &indexpb.DoomBlocks{Blocks: addressesToPB(c.Blocks), KeepEpochs: c.KeepEpochs}}
	case Buried:
		m.Kind = &indexpb.Command_Buried{Buried: &indexpb.Buried{Blocks: addressesToPB(c.Blocks), Epoch: uint64(c.Epoch)}}
	default:
		panic(fmt.Sprintf("index: encode command %T", c))
	}
	return encode(&m)
}

func putToPB(c *Put) *indexpb.Put {
	return &indexpb.Put{
		Bucket:    uint64(c.Version.Bucket),
		Key:       []byte(c.Version.Key),
		Record:    recordToPB(&c.Version),
		Payload:   payloadToPB(&c.Payload),
		Random:    binary.BigEndian.Uint64(c.Random[:]),
		Condition: conditionToPB(c.Condition),
		Epoch:     uint64(c.Epoch),
		Copied:    c.Copied,
		Limits:    limitsToPB(c.Limits),
	}
}

func deleteToPB(c *Delete) *indexpb.Delete {
	d := &indexpb.Delete{
		Bucket:    uint64(c.Bucket),
		Key:       []byte(c.Key),
		Condition: conditionToPB(c.Condition),
		Modified:  millis(c.Modified),
		Random:    binary.BigEndian.Uint64(c.Random[:]),
		Owner:     orNil(c.Owner[:]),
		Now:       millis(c.Now),
		Bypass:    c.Bypass,
	}
	d.VersionId = versionIDToPB(c.VersionID)
	return d
}

// versionIDToPB is nil for the object itself.
func versionIDToPB(v *id.Version) []byte {
	if v == nil {
		return nil
	}
	return v[:]
}

func putPartToPB(c *PutPart) *indexpb.PutPart {
	return &indexpb.PutPart{
		Bucket:  uint64(c.Bucket),
		Key:     []byte(c.Key),
		Upload:  c.Upload[:],
		Number:  uint32(c.Part.Number),
		Part:    partToPB(&c.Part),
		Payload: payloadToPB(&c.Payload),
		Epoch:   uint64(c.Epoch),
		Copied:  c.Copied,
	}
}

func completeToPB(c *CompleteUpload) *indexpb.CompleteUpload {
	return &indexpb.CompleteUpload{
		Bucket:    uint64(c.Version.Bucket),
		Key:       []byte(c.Version.Key),
		Upload:    c.Upload[:],
		Record:    recordToPB(&c.Version),
		Parts:     partRefsToPB(c.Parts),
		Random:    binary.BigEndian.Uint64(c.Random[:]),
		Condition: conditionToPB(c.Condition),
		Limits:    limitsToPB(c.Limits),
	}
}

func conditionToPB(c Condition) *indexpb.Condition {
	if len(c.IfMatch)+len(c.IfNoneMatch) == 0 {
		return nil
	}
	return &indexpb.Condition{IfMatch: bytesOf(c.IfMatch), IfNoneMatch: bytesOf(c.IfNoneMatch)}
}

func bytesOf(texts []string) (out [][]byte) {
	for _, t := range texts {
		out = append(out, []byte(t))
	}
	return out
}

func limitsToPB(l Limits) *indexpb.Limits {
	if l == (Limits{}) {
		return nil
	}
	return &indexpb.Limits{Bytes: l.Bytes, Objects: l.Objects}
}

// DecodeResult reads what Machine.Apply returned.
func DecodeResult(raw []byte) (Result, error) {
	var p indexpb.Result
	if err := decode(raw, &p); err != nil {
		return Result{}, fmt.Errorf("decode result: %w", err)
	}
	r, err := resultFromPB(&p)
	if err != nil {
		return Result{}, fmt.Errorf("decode result: %w", err)
	}
	return r, nil
}

func resultFromPB(p *indexpb.Result) (r Result, err error) {
	r = Result{Code: Code(p.GetCode()), Epoch: block.Epoch(p.GetEpoch())}
	if p.GetVersion() != nil {
		if r.Version, err = recordFromPB(p.GetVersion()); err != nil {
			return Result{}, err
		}
		r.Version.Latest, r.Version.Versioned = p.GetLatest(), p.GetVersioned()
	}
	if p.GetPart() != nil {
		r.Part = partFromPB(int(p.GetPartNumber()), p.GetPart())
	}
	for _, h := range p.GetMissing() {
		var hash id.Hash
		if err := fill(hash[:], h); err != nil {
			return Result{}, err
		}
		r.Missing = append(r.Missing, hash)
	}
	if r.Doomed, err = addressesFromPB(p.GetDoomed()); err != nil {
		return Result{}, err
	}
	for _, step := range p.GetResults() {
		one, err := resultFromPB(step)
		if err != nil {
			return Result{}, err
		}
		r.Results = append(r.Results, one)
	}
	return r, nil
}
