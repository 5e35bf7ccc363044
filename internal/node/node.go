package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"grange/internal/api/admin"
	"grange/internal/api/s3"
	"grange/internal/block/disk"
	"grange/internal/catalog"
	"grange/internal/config"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/kv"
	"grange/internal/raftgroup"
	"grange/internal/store"
)

// replicaHere is the number of the first replica of each group.
const replicaHere id.Replica = 1

// Options say what to run.
type Options struct {
	Loaded *config.Loaded
	Logger *slog.Logger
	// Ready, if it is set, is called when requests are served.
	Ready func(Runtime)
}

// node is a node on its way up, running, or on its way down.
type node struct {
	o       Options
	c       config.Config
	log     *slog.Logger
	budget  budget
	metrics *metrics
	started time.Time
	limit   int64 // of memory

	dir     *dataDir
	token   string
	s3      *face
	admin   *face
	cert    *certificate
	meta    *kv.DB
	room    *room
	groups  *raftgroup.Host
	catalog *catalog.Client
	cluster catalog.Cluster
	blocks  *disk.Store
	store   *store.Store
	workers *workers

	parts *errgroup.Group // what runs until the faces are gone
	stop  context.CancelFunc
	ended context.Context // over when a part failed
	undo  []func() error  // what gives back what the steps took, in their order

	state atomic.Pointer[error] // why no requests are served; nil while they are
}

// Errors that /health shows.
var (
	errStarting = errors.New("the node is starting")
	errStopping = errors.New("the node is stopping")
)

// Run starts a node, runs it until ctx ends, and stops it. It returns nil after a clean stop, and the reason when the
// node cannot start, or cannot go on.
func Run(ctx context.Context, o Options) (err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &node{o: o, c: o.Loaded.Config, log: o.Logger, metrics: newMetrics(), started: time.Now().UTC()}
	n.budget = newBudget(int64(n.c.Memory), len(n.c.BlockDirs))
	n.limit = limitMemory(int64(n.c.Memory))
	n.state.Store(&errStarting)
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while it started
		}
		return err
	}
	select {
	case <-ctx.Done():
	case <-n.ended.Done():
	}
	return n.stopFaces(ctx)
}

// start takes the steps in their order.
func (n *node) start(ctx context.Context) error {
	n.startParts(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ended, cancel)()
	for _, step := range []func(context.Context) error{
		n.openDataDir, n.openListeners, n.openMeta, n.startGroups, n.enterCluster, n.openBlocks,
		n.buildStore, n.startWorkers, n.firstStart, n.serve,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startParts prepares for what runs beside the faces. It outlives ctx, so that requests in flight can finish.
func (n *node) startParts(ctx context.Context) {
	ctx, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	n.parts, n.ended = errgroup.WithContext(ctx)
}

// run adds a part that runs until the node stops. Its error stops the node.
func (n *node) run(what string, f func(context.Context) error) {
	n.parts.Go(func() error {
		if err := f(n.ended); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// later adds what gives back what a step took.
func (n *node) later(f func() error) { n.undo = append(n.undo, f) }

// close gives back what the steps took, the last first.
func (n *node) close() error {
	var errs []error
	if n.workers != nil {
		errs = append(errs, n.workers.stop())
	}
	n.stop()
	errs = append(errs, n.parts.Wait())
	for _, undo := range slices.Backward(n.undo) {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

func (n *node) openDataDir(context.Context) (err error) {
	if n.dir, err = openDataDir(n.c.DataDir); err != nil {
		return err
	}
	n.later(n.dir.close)
	n.token, err = n.dir.ensureToken(n.o.Loaded)
	return err
}

func (n *node) openListeners(ctx context.Context) (err error) {
	if n.cert, err = openCertificate(n.c.TLSCertFile, n.c.TLSKeyFile, n.log); err != nil {
		return err
	}
	if n.s3, err = listen(ctx, "s3", n.c.S3Listen, n.budget.connections); err != nil {
		return err
	}
	n.later(n.s3.close)
	if n.admin, err = listen(ctx, "admin", n.c.AdminListen, n.budget.adminClients); err != nil {
		return err
	}
	n.later(n.admin.close)
	return nil
}

func (n *node) openMeta(context.Context) (err error) {
	n.meta, err = kv.Open(n.dir.file(metaName), kv.Options{
		CacheBytes: n.budget.metaCache, MemTableBytes: n.budget.memTable,
		MustExist: n.dir.identity.Ready, Logger: n.log, Events: n.metaEvents(),
	})
	if errors.Is(err, kv.ErrMissing) {
		return &DirError{n.dir.file(metaName), "is empty but held this node's metadata", "mount the disk that holds it, or restore it from a backup"}
	}
	if err != nil {
		return fmt.Errorf("open the metadata in %s: %w", n.dir.file(metaName), err)
	}
	n.later(n.meta.Close)
	n.room = newRoom(n.dir.file(metaName), int64(n.c.ReserveSpace), n.budget.memTable, n.log)
	return n.checkMeta()
}

// ownerKey holds the id of the node whose metadata the store is.
var ownerKey = kv.NodeSpace().Key([]byte{'i'})

// checkMeta refuses the metadata of another node, which a mixed-up mount can bring.
func (n *node) checkMeta() error {
	owner, err := n.meta.Get(ownerKey)
	switch {
	case err == nil && id.Node(owner) == n.dir.node:
		return nil
	case err == nil:
		return &DirError{n.dir.path, fmt.Sprintf("belongs to node %s, but its metadata to node %s", n.dir.node, id.Node(owner)), "mount the right disk"}
	case !errors.Is(err, kv.ErrNotFound):
		return err
	}
	b := n.meta.NewWriteBatch()
	return errors.Join(b.Set(ownerKey, n.dir.node[:]), b.Commit(true), b.Close())
}

// startGroups runs the host of the groups, with the system group.
func (n *node) startGroups(context.Context) error {
	n.groups = raftgroup.NewHost(raftgroup.Options{Store: n.meta, Node: n.dir.node, Logger: n.log, Events: n.groupEvents()})
	n.catalog = catalog.NewClient(n.groups, n.meta)
	machine := catalog.NewMachine(raftgroup.StateSpace(id.SystemGroup))
	err := n.groups.AddGroup(raftgroup.GroupConfig{
		ID: id.SystemGroup, StateMachine: machine, Members: []raftgroup.Member{{Replica: replicaHere, Node: n.dir.node}},
	})
	if err != nil {
		return err
	}
	n.run("consensus groups", n.groups.Run)
	return nil
}

// enterCluster makes the cluster, or meets the one that was made, and opens its groups of which this node is a member.
func (n *node) enterCluster(ctx context.Context) (err error) {
	first := catalog.Node{ID: n.dir.node, Zone: "home", Address: n.c.RPCListen, Version: Version(), Format: kv.FormatVersion}
	if n.cluster, err = n.catalog.Init(ctx, catalog.InitOptions{First: first, Format: kv.FormatVersion}); err != nil {
		return err
	}
	if err := n.dir.join(n.cluster.ID); err != nil {
		return err
	}
	v, err := n.catalog.Read(ctx)
	if err != nil {
		return err
	}
	groups, err := v.Groups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := n.addGroup(g); err != nil {
			return err
		}
	}
	return n.describeSelf(ctx, v)
}

func (n *node) addGroup(g catalog.Group) error {
	if g.ID == id.SystemGroup {
		return nil
	}
	config := raftgroup.GroupConfig{ID: g.ID, StateMachine: index.NewMachine(raftgroup.StateSpace(g.ID))}
	member := false
	for _, m := range g.Members {
		config.Members = append(config.Members, raftgroup.Member{Replica: m.Replica, Node: m.Node, Learner: m.Learner})
		member = member || m.Node == n.dir.node
	}
	if !member {
		return nil
	}
	return n.groups.AddGroup(config)
}

// describeSelf corrects what the catalog knows of this node.
func (n *node) describeSelf(ctx context.Context, v catalog.View) error {
	known, err := v.Node(n.dir.node)
	if err != nil {
		return err
	}
	if known.Address == n.c.RPCListen && known.Version == Version() && known.Format == kv.FormatVersion {
		return nil
	}
	return n.catalog.UpdateNode(ctx, n.dir.node, catalog.NodeUpdate{
		Address: &n.c.RPCListen, Version: new(Version()), Format: new(uint32(kv.FormatVersion)),
	})
}

func (n *node) openBlocks(context.Context) (err error) {
	expected, err := n.dir.expectedDisks()
	if err != nil {
		return err
	}
	o := disk.Options{
		Node: n.dir.node, Cluster: n.cluster.ID, Expected: expected,
		ReserveBytes: int64(n.c.ReserveSpace), QueueBytes: n.budget.blockQueue, Compression: disk.Compression(n.c.Compression),
		Logger: n.log, Events: n.diskEvents(),
	}
	for _, d := range n.c.BlockDirs {
		o.Dirs = append(o.Dirs, disk.DirOptions{Path: d.Path, CapacityBytes: int64(d.Capacity)})
	}
	if len(o.Dirs) == 0 {
		o.Dirs = []disk.DirOptions{{Path: n.dir.file(blocksName)}}
	}
	if n.blocks, err = disk.Open(o); err != nil {
		return err
	}
	n.later(n.blocks.Close)
	n.run("block directories", n.blocks.Run)
	return nil
}

func (n *node) buildStore(context.Context) error {
	n.store = store.New(store.Options{
		Groups: n.groups, State: n.meta, Blocks: n.blocks, Catalog: n.catalog, Logger: n.log, Full: n.room.isFull,
		Short:    n.isShort,
		Settings: store.Settings{BodyMemory: n.budget.bodies, GarbageGrace: n.c.GCGrace},
	})
	return nil
}

// isShort tells that a disk keeps its last room.
func (n *node) isShort() bool {
	if n.room.isFull() {
		return true
	}
	for _, d := range n.blocks.Stats() {
		if d.State == disk.StateFull {
			return true
		}
	}
	return false
}

// firstStart makes the key and the bucket of the environment, once, and then lets the data directory be complete.
func (n *node) firstStart(ctx context.Context) error {
	f := n.o.Loaded.FirstStart
	if !n.dir.identity.Ready && f.AccessKey != "" {
		first := catalog.FirstStart{KeyID: f.AccessKey, Secret: f.SecretKey, Bucket: f.Bucket}
		if _, err := n.catalog.EnsureKeyAndBucket(ctx, first); err != nil {
			return fmt.Errorf("make the key and the bucket of GRANGE_ACCESS_KEY and GRANGE_BUCKET: %w", err)
		}
		n.log.LogAttrs(ctx, slog.LevelInfo, "first start: made the key and the bucket of the environment",
			slog.String("access_key", f.AccessKey), slog.String("bucket", f.Bucket))
	}
	return n.dir.remember(n.blocks.Disks())
}

// serve begins to answer requests.
func (n *node) serve(ctx context.Context) error {
	n.metrics.registry.MustRegister(collector{n})
	n.admin.serve(admin.New(admin.Options{
		Catalog: n.catalog, Store: n.store, Workers: n.workers, Status: n.status, Ready: n.ready,
		Metrics: n.metrics.handler(), MetricsOpen: n.c.MetricsOpen, Token: n.token, Logger: n.log,
	}), nil, n.log)
	n.s3.serve(s3.New(s3.Options{
		Backend: n.store, Region: n.c.Region, StrictRegion: n.c.StrictRegion, RootDomains: n.c.S3RootDomains,
		Logger: n.log, RequestsMax: n.budget.requests, HostID: n.dir.node.Short(), Events: n.s3Events(),
	}), n.cert, n.log)
	r := Runtime{Admin: "http://" + reachable(n.admin.listener.Addr()), S3: n.s3URL(), PID: os.Getpid(), Started: n.started}
	if err := n.dir.writeRuntime(r); err != nil {
		return err
	}
	n.later(func() error { return os.Remove(n.dir.file(runtimeName)) })
	n.state.Store(nil)
	n.announce(ctx, r)
	return nil
}

func (n *node) s3URL() string {
	scheme := "http://"
	if n.cert != nil {
		scheme = "https://"
	}
	return scheme + reachable(n.s3.listener.Addr())
}

// announce tells everyone who waits that requests are served.
func (n *node) announce(ctx context.Context, r Runtime) {
	n.log.LogAttrs(ctx, slog.LevelInfo, "node is ready", slog.String("version", Version()),
		slog.String("node", n.dir.node.String()), slog.String("data_dir", n.dir.path), slog.String("s3", r.S3),
		slog.String("admin", r.Admin), slog.Duration("took", time.Since(n.started)))
	n.log.LogAttrs(ctx, slog.LevelInfo, "this version does not serve these listeners yet", slog.String("web_listen", n.c.WebListen),
		slog.String("k2v_listen", n.c.K2VListen), slog.String("rpc_listen", n.c.RPCListen))
	if err := notify("READY=1"); err != nil {
		n.log.LogAttrs(ctx, slog.LevelWarn, "systemd could not be told that the node is ready", slog.Any("error", err))
	}
	if n.o.Ready != nil {
		n.o.Ready(r)
	}
}

// ready tells why no requests are served.
func (n *node) ready() error {
	if err := n.state.Load(); err != nil {
		return *err
	}
	return n.meta.Err()
}

// stopFaces closes the listeners and lets requests in flight finish. The admin API goes last, so that it can be asked.
func (n *node) stopFaces(ctx context.Context) error {
	n.state.Store(&errStopping)
	n.log.LogAttrs(ctx, slog.LevelInfo, "node is stopping", slog.Duration("at_most", n.c.StopTimeout))
	if err := notify("STOPPING=1"); err != nil {
		n.log.LogAttrs(ctx, slog.LevelWarn, "systemd could not be told that the node is stopping", slog.Any("error", err))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.c.StopTimeout)
	defer cancel()
	return errors.Join(n.s3.stop(ctx), n.admin.stop(ctx))
}
