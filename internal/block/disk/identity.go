package disk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"grange/internal/id"
)

const (
	identityFile   = "identity.json"
	identityTemp   = "identity.json.tmp"
	lockFile       = "LOCK"
	rebuildFile    = "REBUILD"
	segmentsDir    = "segments"
	indexDir       = "index"
	identityFormat = 1
	identityMax    = 4 << 10 // no identity file is longer, in bytes
)

// identity says whose disk a directory is. It is stored as JSON, so that an operator can read it.
type identity struct {
	Format   int    `json:"format"`
	Disk     string `json:"disk"`
	Node     string `json:"node"`
	Cluster  string `json:"cluster"`
	Checksum string `json:"checksum"` // xxhash64, in hex, of "format disk node cluster"
}

func (i identity) sum() string {
	return strconv.FormatUint(xxhash.Sum64String(fmt.Sprintf("%d %s %s %s", i.Format, i.Disk, i.Node, i.Cluster)), 16)
}

func newIdentity(node id.Node, cluster [16]byte) (identity, ID) {
	var disk ID
	_, _ = rand.Read(disk[:]) // never fails: crypto/rand.Read ends the program instead
	i := identity{Format: identityFormat, Disk: disk.String(), Node: node.String(), Cluster: fmt.Sprintf("%x", cluster)}
	i.Checksum = i.sum()
	return i, disk
}

// parseIdentity reads an identity file and compares it with who we are.
func parseIdentity(path string, raw []byte, node id.Node, cluster [16]byte) (ID, error) {
	refuse := func(reason, remedy string, err error) (ID, error) {
		return ID{}, &DirError{Path: path, Reason: reason, Remedy: remedy, Err: err}
	}
	const damaged = "the identity file is damaged"
	const restore = "restore identity.json from a backup, or empty the directory and let the other nodes fill it again"
	var i identity
	if err := json.Unmarshal(raw, &i); err != nil {
		return refuse(damaged, restore, err)
	}
	if i.Format > identityFormat {
		return refuse(fmt.Sprintf("its format %d is newer than the %d that this program knows", i.Format, identityFormat),
			"start the newer version of the program", ErrNewerFormat)
	}
	disk, err := ParseID(i.Disk)
	if err != nil || i.Format != identityFormat || i.Checksum != i.sum() {
		return refuse(damaged, restore, err)
	}
	if i.Node != node.String() {
		return refuse(fmt.Sprintf("it belongs to node %s, and this is node %s", i.Node, node),
			"mount the right disk, or empty the directory if its data is no longer needed", nil)
	}
	if i.Cluster != fmt.Sprintf("%x", cluster) {
		return refuse(fmt.Sprintf("it belongs to cluster %s, and this is cluster %x", i.Cluster, cluster),
			"mount the right disk, or empty the directory if its data is no longer needed", nil)
	}
	return disk, nil
}

// prepared is a directory whose identity is known, or that is empty and may be made a disk.
type prepared struct {
	DirOptions
	disk  ID
	empty bool
}

// prepare looks at a directory without changing it.
func prepare(fsys vfs.FS, d DirOptions, node id.Node, cluster [16]byte) (prepared, error) {
	p := prepared{DirOptions: d}
	raw, err := readSmallFile(fsys, fsys.PathJoin(d.Path, identityFile))
	if err == nil {
		p.disk, err = parseIdentity(d.Path, raw, node, cluster)
		return p, err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return p, &DirError{Path: d.Path, Reason: "the identity file cannot be read", Remedy: "check the disk and its permissions", Err: err}
	}
	p.empty, err = isEmpty(fsys, d.Path)
	if err != nil {
		return p, &DirError{Path: d.Path, Reason: "it cannot be listed", Remedy: "check the disk and its permissions", Err: err}
	}
	if !p.empty {
		return p, &DirError{
			Path: d.Path, Reason: "it has no identity file and is not empty",
			Remedy: "name an empty directory, or restore its identity.json",
		}
	}
	return p, nil
}

// isEmpty tells whether a directory is missing or holds nothing but what a start that was cut short left behind.
func isEmpty(fsys vfs.FS, path string) (bool, error) {
	names, err := fsys.List(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, name := range names {
		switch name {
		case lockFile, identityTemp, "lost+found":
		case segmentsDir, indexDir:
			inner, err := fsys.List(fsys.PathJoin(path, name))
			if err != nil || len(inner) > 0 {
				return false, err
			}
		default:
			return false, nil
		}
	}
	return true, nil
}

// checkExpected refuses to start without a disk that was there before.
func checkExpected(dirs []prepared, expected []Disk) error {
	found := map[ID]bool{}
	for _, d := range dirs {
		if !d.empty {
			if found[d.disk] {
				return &DirError{
					Path: d.Path, Reason: fmt.Sprintf("disk %s is also mounted at another path", d.disk),
					Remedy: "name each disk once",
				}
			}
			found[d.disk] = true
		}
	}
	const remedy = "mount it and start again, or take the disk off the node's list of disks if it is lost for good"
	for _, e := range expected {
		if found[e.ID] {
			continue
		}
		for _, d := range dirs {
			if d.Path == e.Path && d.empty {
				return &DirError{Path: d.Path, Reason: fmt.Sprintf("it is empty, but disk %s was here", e.ID), Remedy: remedy}
			}
		}
		return &DirError{Path: e.Path, Reason: fmt.Sprintf("disk %s was here before and is not found", e.ID), Remedy: remedy}
	}
	return nil
}

// format makes an empty directory a disk. The identity comes last: when it is there, all the rest is.
func format(fsys vfs.FS, path string, node id.Node, cluster [16]byte) (ID, error) {
	i, disk := newIdentity(node, cluster)
	raw, err := json.Marshal(i)
	if err != nil {
		return disk, fmt.Errorf("encode identity: %w", err)
	}
	for _, sub := range []string{segmentsDir, indexDir} {
		if err := fsys.MkdirAll(fsys.PathJoin(path, sub), 0o700); err != nil {
			return disk, fmt.Errorf("make directory %s: %w", sub, err)
		}
	}
	if err := syncDir(fsys, path); err != nil {
		return disk, err
	}
	if err := writeFileSynced(fsys, fsys.PathJoin(path, identityTemp), append(raw, '\n')); err != nil {
		return disk, err
	}
	if err := fsys.Rename(fsys.PathJoin(path, identityTemp), fsys.PathJoin(path, identityFile)); err != nil {
		return disk, fmt.Errorf("name identity file: %w", err)
	}
	return disk, syncDir(fsys, path)
}

// makeDirs makes a directory and its parents, and syncs the parents that got a new entry.
func makeDirs(fsys vfs.FS, path string) error {
	missing := []string{}
	for p := path; ; p = fsys.PathDir(p) {
		if _, err := fsys.Stat(p); err == nil || fsys.PathDir(p) == p {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("stat %s: %w", p, err)
		}
		missing = append(missing, p)
	}
	if err := fsys.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make directory %s: %w", path, err)
	}
	for _, p := range missing {
		if err := syncDir(fsys, fsys.PathDir(p)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fsys vfs.FS, path string) error {
	d, err := fsys.OpenDir(path)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", path, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", path, err)
	}
	return nil
}

func writeFileSynced(fsys vfs.FS, path string, data []byte) error {
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func readSmallFile(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, identityMax))
	return raw, errors.Join(err, f.Close())
}
