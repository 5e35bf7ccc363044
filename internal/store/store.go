package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/kv"
	"grange/internal/raftgroup"
)

// State is where the replicated state of this node's groups can be read.
type State interface {
	// Snapshot holds one consistent state until it is closed.
	Snapshot() kv.Snapshot
}

// Settings are plain numbers; the zero value of each stands for its default.
type Settings struct {
	// BodyMemory bounds the memory of all bodies on their way in, in bytes. Default 128 MiB; at least one block per request in flight is waited for.
	BodyMemory int64
	// RequestRetry is how long a request is held while a group has no leader, before it is ErrUnavailable. Default 30 s.
	RequestRetry time.Duration
	// GarbageGrace is how long a block that no record names stays on the disks. Default 1 h.
	GarbageGrace time.Duration
}

func (s Settings) withDefaults() Settings {
	if s.BodyMemory == 0 {
		s.BodyMemory = 128 << 20
	}
	s.BodyMemory = max(s.BodyMemory, 2*block.SizeMax)
	if s.RequestRetry == 0 {
		s.RequestRetry = 30 * time.Second
	}
	if s.GarbageGrace == 0 {
		s.GarbageGrace = time.Hour
	}
	return s
}

// Options are the parts that a store is made of.
type Options struct {
	Groups  raftgroup.Proposer
	State   State
	Blocks  block.Store
	Catalog *catalog.Client
	Clock   Clock // default time.Now
	// LockClock is what the end of a retention is held against. It may be behind, and should never be ahead: a lock must not end
	// early because a clock is wrong. Default: Clock, but never by more than 15 minutes ahead of what has passed since New.
	LockClock Clock
	Logger    *slog.Logger
	// Full tells that the disk of the metadata has only its reserve left. Then what adds to it is refused with ErrNoSpace, and
	// deletions go on. It is asked on every write. Default: never.
	Full func() bool
	// Short tells that room for content or metadata is short, so that garbage goes without waiting out its grace. Default: never.
	Short    func() bool
	Settings Settings
}

// Store is the object store of one node. Make it with New.
type Store struct {
	groups   raftgroup.Proposer
	state    State
	blocks   block.Store
	catalog  *catalog.Client
	now      Clock
	lockNow  Clock
	log      *slog.Logger
	full     func() bool
	short    func() bool
	settings Settings
	memory   *semaphore.Weighted // of bodies, in bytes
	readers  readers
}

// New puts a store together. It starts nothing; Workers lists what should run beside it.
func New(o Options) *Store {
	s := &Store{
		groups:   o.Groups,
		state:    o.State,
		blocks:   o.Blocks,
		catalog:  o.Catalog,
		now:      o.Clock,
		lockNow:  o.LockClock,
		log:      o.Logger,
		full:     o.Full,
		short:    o.Short,
		settings: o.Settings.withDefaults(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.lockNow == nil {
		s.lockNow = heldBack(s.now, time.Now)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	never := func() bool { return false }
	if s.full == nil {
		s.full = never
	}
	if s.short == nil {
		s.short = never
	}
	s.memory = semaphore.NewWeighted(s.settings.BodyMemory)
	return s
}

// groupOf is the index group that holds the key.
func groupOf(b *catalog.Bucket, key string) id.Group {
	g := b.Ranges[0].Group
	for _, r := range b.Ranges[1:] {
		if key < r.From {
			break
		}
		g = r.Group
	}
	return g
}

// propose carries out one command and returns its result. A result that is a refusal is an error.
func (s *Store) propose(ctx context.Context, g id.Group, c index.Command) (index.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.RequestRetry)
	defer cancel()
	raw, err := s.groups.Propose(ctx, g, index.Encode(c))
	if err != nil {
		return index.Result{}, unavailable(ctx, err)
	}
	return index.DecodeResult(raw)
}

// view is a linearizable state of one index group. It must be closed.
type view struct {
	*index.View
	snapshot kv.Snapshot
}

func (v *view) close() {
	// Closing a snapshot only gives memory back: what it returned was checked when it was read.
	_ = v.snapshot.Close()
}

// read opens the group's state as of now.
func (s *Store) read(ctx context.Context, g id.Group) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, s.settings.RequestRetry)
	defer cancel()
	if err := s.groups.Barrier(ctx, g); err != nil {
		return nil, unavailable(ctx, err)
	}
	return s.local(g), nil
}

// local opens the group's state as this node knows it, which may be old.
func (s *Store) local(g id.Group) *view {
	snapshot := s.state.Snapshot()
	return &view{View: index.NewView(raftgroup.StateSpace(g), snapshot), snapshot: snapshot}
}

// unavailable tells a time-out of the store from the end of the request.
func unavailable(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, raftgroup.ErrStopped) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// errSourceChanged reports that a copy cannot name its source's blocks any more; it is then made by reading.
var errSourceChanged = errors.New("store: source of the copy changed")

// hasRoom refuses what adds to the metadata when only the reserve of its disk is left.
func (s *Store) hasRoom() error {
	if s.full() {
		return fmt.Errorf("%w: the disk of the metadata is nearly full", ErrNoSpace)
	}
	return nil
}

// refusal is the error for a result's code; nil for OK.
func refusal(c index.Code) error {
	switch c {
	case index.OK:
		return nil
	case index.PreconditionFailed:
		return ErrPrecondition
	case index.NotFound:
		return ErrNoObject
	case index.NoSuchUpload:
		return ErrNoUpload
	case index.BucketSealed:
		return ErrNoBucket
	case index.NotEmpty:
		return ErrNotEmpty
	case index.QuotaExceeded:
		return ErrQuota
	case index.Locked:
		return ErrLocked
	case index.NoObjectLock:
		return ErrNoObjectLock
	case index.StateConflict:
		return ErrBucketState
	case index.IsDeleteMarker:
		return ErrDeleteMarker
	case index.SourceChanged:
		return errSourceChanged
	case index.PartsChanged, index.EpochTooOld:
		return fmt.Errorf("%w: the state changed meanwhile (%v)", ErrUnavailable, c)
	default:
		return fmt.Errorf("store: unknown answer %v of the index", c)
	}
}
