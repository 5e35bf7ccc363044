package index

import (
	"fmt"

	"grange/internal/id"
	"grange/internal/index/indexpb"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// dropMax is how many block references one command drops at once; what is more waits on the release queue.
const dropMax = 1000

// Machine applies the commands of one group. It is a raftgroup.StateMachine.
type Machine struct{ keys keyspace }

var _ raftgroup.StateMachine = (*Machine)(nil)

// NewMachine returns the machine whose rows live in space, which nothing else may write.
func NewMachine(space kv.Space) *Machine { return &Machine{keyspace{space}} }

// Apply carries out an encoded Command and returns an encoded Result. An error (ErrFormat, ErrCorrupt, or one of the
// batch) means that the replica must stop; the batch must then be dropped.
func (m *Machine) Apply(b kv.Batch, e raftgroup.Entry) ([]byte, error) {
	var cmd indexpb.Command
	if err := decode(e.Command, &cmd); err != nil {
		return nil, fmt.Errorf("apply command %d: %w", e.Index, err)
	}
	c := &change{rows: rows{m.keys, b}, batch: b, index: e.Index, budget: dropMax}
	result, err := c.apply(&cmd)
	if err != nil {
		return nil, fmt.Errorf("apply command %d: %w", e.Index, err)
	}
	return encode(result), nil
}

// change is one command on its way: what was read, and what it may still do.
type change struct {
	rows
	batch kv.Batch

	index  uint64 // of the command in the log
	now    int64  // when the command was made, in milliseconds since 1970, as its proposer saw it; 0: not known
	budget int    // block references that may still be dropped at once
	queued uint32 // rows that were put on the release queue

	group  groupState
	bucket id.Bucket
	state  bucketState // of bucket
}

// groupState is the row of the group itself; indexpb.Machine says what the fields are.
type groupState struct {
	epoch    uint64
	floor    uint64
	releases int64
	released uint64
	forgot   uint64
}

// bucketState is the row of a bucket.
type bucketState struct {
	seq        uint64 // the last that was given
	versioning Versioning
	lock       LockRule
	BucketStats
}

func (c *change) apply(cmd *indexpb.Command) (result *indexpb.Result, err error) {
	if c.group, err = c.readGroup(); err != nil {
		return nil, err
	}
	before := c.group
	if result, err = c.dispatch(cmd); err != nil {
		return nil, err
	}
	if c.group != before {
		if err := c.set(c.keys.machine(), &indexpb.Machine{
			Epoch: c.group.epoch, Floor: c.group.floor,
			Releases: c.group.releases, Released: c.group.released, Forgot: c.group.forgot,
		}); err != nil {
			return nil, err
		}
	}
	result.Epoch = c.group.epoch
	return result, nil
}

func (c *change) dispatch(cmd *indexpb.Command) (*indexpb.Result, error) {
	switch k := cmd.GetKind().(type) {
	case *indexpb.Command_Put:
		return c.inBucket(k.Put.GetBucket(), func() (*indexpb.Result, error) { return c.put(k.Put) })
	case *indexpb.Command_Delete:
		return c.inBucket(k.Delete.GetBucket(), func() (*indexpb.Result, error) { return c.delete(k.Delete) })
	case *indexpb.Command_DeleteMany:
		return c.inBucket(k.DeleteMany.GetBucket(), func() (*indexpb.Result, error) { return c.deleteMany(k.DeleteMany) })
	case *indexpb.Command_CreateUpload:
		return c.inBucket(k.CreateUpload.GetBucket(), func() (*indexpb.Result, error) { return c.createUpload(k.CreateUpload) })
	case *indexpb.Command_PutPart:
		return c.inBucket(k.PutPart.GetBucket(), func() (*indexpb.Result, error) { return c.putPart(k.PutPart) })
	case *indexpb.Command_CompleteUpload:
		return c.inBucket(k.CompleteUpload.GetBucket(), func() (*indexpb.Result, error) { return c.completeUpload(k.CompleteUpload) })
	case *indexpb.Command_AbortUpload:
		return c.inBucket(k.AbortUpload.GetBucket(), func() (*indexpb.Result, error) { return c.abortUpload(k.AbortUpload) })
	case *indexpb.Command_SetVersioning:
		return c.inBucket(k.SetVersioning.GetBucket(), func() (*indexpb.Result, error) { return c.setVersioning(k.SetVersioning) })
	case *indexpb.Command_SetLockRule:
		return c.inBucket(k.SetLockRule.GetBucket(), func() (*indexpb.Result, error) { return c.setLockRule(k.SetLockRule) })
	case *indexpb.Command_SetTags:
		return c.inBucket(k.SetTags.GetBucket(), func() (*indexpb.Result, error) { return c.setTags(k.SetTags) })
	case *indexpb.Command_SetRetention:
		return c.inBucket(k.SetRetention.GetBucket(), func() (*indexpb.Result, error) { return c.setRetention(k.SetRetention) })
	case *indexpb.Command_SetHold:
		return c.inBucket(k.SetHold.GetBucket(), func() (*indexpb.Result, error) { return c.setHold(k.SetHold) })
	case *indexpb.Command_SealBucket:
		return c.sealBucket(k.SealBucket)
	case *indexpb.Command_Release:
		return c.release(k.Release)
	case *indexpb.Command_Doom:
		return c.doom(k.Doom)
	case *indexpb.Command_Buried:
		return c.buried(k.Buried)
	default:
		return nil, fmt.Errorf("%w: command of unknown kind", ErrFormat)
	}
}

// inBucket runs a command on the bucket and writes down its new state. A sealed bucket answers everything alike.
func (c *change) inBucket(bucket uint64, run func() (*indexpb.Result, error)) (result *indexpb.Result, err error) {
	c.bucket = id.Bucket(bucket)
	if c.state, err = c.readBucket(c.bucket); err != nil {
		return nil, err
	}
	if c.state.Sealed {
		return refuse(BucketSealed), nil
	}
	before := c.state
	if result, err = run(); err != nil || c.state == before {
		return result, err
	}
	return result, c.set(c.keys.inBucket(tableBucket, c.bucket), bucketToPB(c.state))
}

// sealBucket ends a bucket; doing it again is no error.
func (c *change) sealBucket(p *indexpb.SealBucket) (*indexpb.Result, error) {
	result, err := c.inBucket(p.GetBucket(), c.seal)
	if err == nil && Code(result.GetCode()) == BucketSealed {
		return accept(), nil
	}
	return result, err
}

func (c *change) seal() (*indexpb.Result, error) {
	if c.state.Versions > 0 {
		return refuse(NotEmpty), nil
	}
	for _, table := range []byte{tableUpload, tablePart} {
		prefix := c.keys.inBucket(table, c.bucket)
		if err := c.batch.DeleteRange(prefix, kv.PrefixEnd(prefix)); err != nil {
			return nil, err
		}
	}
	if c.state.Uploads > 0 {
		if err := c.enqueue(&indexpb.Release{Kind: indexpb.Release_BUCKET, Bucket: uint64(c.bucket)}); err != nil {
			return nil, err
		}
	}
	c.state.Uploads, c.state.UploadBytes, c.state.Sealed = 0, 0, true
	return accept(), nil
}

func (c *change) nextSeq() uint64 {
	c.state.seq++
	return c.state.seq
}

func accept() *indexpb.Result { return &indexpb.Result{Code: uint32(OK)} }

func refuse(code Code) *indexpb.Result { return &indexpb.Result{Code: uint32(code)} }

// wrote is the answer of a command that wrote or removed the version.
func (c *change) wrote(rec *indexpb.Record, latest bool) *indexpb.Result {
	versioned := c.state.versioning != Unversioned
	return &indexpb.Result{Code: uint32(OK), Latest: latest, Versioned: versioned, Version: &indexpb.Record{
		Seq: rec.Seq, Random: rec.Random, Null: rec.Null, DeleteMarker: rec.DeleteMarker, Size: rec.Size, Etag: rec.Etag,
		Modified: rec.Modified, Checksum: rec.Checksum, Parts: rec.Parts, Upload: rec.Upload,
	}}
}
