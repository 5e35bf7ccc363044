package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"grange/internal/block/disk"
	"grange/internal/id"
)

// Names in the data directory.
const (
	lockName     = "lock"
	keyName      = "node-key"
	identityName = "identity.json"
	metaName     = "meta"
	blocksName   = "blocks"
	tokenName    = "admin-token"
	runtimeName  = "runtime.json"
)

// dataFormat is the version of the data directory's layout that this program writes.
const dataFormat = 1

// DirError is the reason for which a data directory is refused, and what to do about it.
type DirError struct {
	Path   string
	Reason string
	Remedy string
}

// Error is one line for the operator.
func (e *DirError) Error() string {
	return fmt.Sprintf("data directory %s %s: %s", e.Path, e.Reason, e.Remedy)
}

// identity is who the node is, as the data directory keeps it in identity.json.
type identity struct {
	Format  int       `json:"format"`
	Node    string    `json:"node"`              // hash of the public key in node-key
	Cluster string    `json:"cluster,omitempty"` // 16 bytes in hexadecimal; empty until the node has joined or made one
	Created time.Time `json:"created"`
	// Ready says that the first start came to its end: from then on missing data is a fault and not a beginning.
	Ready bool `json:"ready"`
	// Disks are the block directories that the node has used.
	Disks []diskRecord `json:"disks,omitempty"`
}

type diskRecord struct {
	ID   string `json:"id"`
	Path string `json:"path"`
}

// dataDir is the node's own directory, locked for this process.
type dataDir struct {
	path     string
	lock     *os.File
	identity identity
	node     id.Node
}

// openDataDir locks the directory and reads who the node is, or decides it at the first start. It refuses with a
// [DirError] what belongs to another node, to a newer program, or to a node whose identity is gone.
func openDataDir(path string) (*dataDir, error) {
	if err := makeDir(path); err != nil {
		return nil, &DirError{path, "cannot be made (" + err.Error() + ")", "make it for the user of grange, or name another with --data-dir"}
	}
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	d := &dataDir{path: path, lock: lock}
	if err := d.load(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return d, nil
}

// lockDir takes the lock that keeps a second process out. The kernel gives it back when the process ends, however it does.
func lockDir(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &DirError{path, "cannot be used (" + err.Error() + ")", "give it to the user of grange, or name another with --data-dir"}
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, &DirError{path, "is in use by another grange", "stop that one first, or name another directory with --data-dir"}
	}
	return lock, nil
}

func (d *dataDir) load() error {
	raw, err := os.ReadFile(d.file(identityName))
	if errors.Is(err, fs.ErrNotExist) {
		return d.create()
	}
	if err != nil {
		return &DirError{d.path, "cannot be read (" + err.Error() + ")", "check the disk and the rights of the file"}
	}
	if err := json.Unmarshal(raw, &d.identity); err != nil {
		return &DirError{d.path, "has a damaged " + identityName, "restore that file from a backup"}
	}
	return d.check()
}

// create makes an identity. The key is written first: a crash in between leaves a directory that is still new.
func (d *dataDir) create() error {
	if err := d.mustBeNew(); err != nil {
		return err
	}
	key, err := d.readKey()
	if errors.Is(err, fs.ErrNotExist) {
		key, err = d.createKey()
	}
	if err != nil {
		return err
	}
	d.node = nodeOf(key)
	d.identity = identity{Format: dataFormat, Node: d.node.String(), Created: time.Now().UTC()}
	return d.save()
}

// mustBeNew refuses a directory that holds data and no identity: to begin anew there could bury what is there.
func (d *dataDir) mustBeNew() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockName, name == keyName, name == tokenName, name == "lost+found":
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, ".toml"):
		case name == metaName, name == blocksName:
			return &DirError{d.path, "holds data but no " + identityName, "restore that file from a backup, or name an empty directory to begin anew"}
		default:
			return &DirError{d.path, fmt.Sprintf("is not empty (%s) and not grange's", name), "name an empty directory with --data-dir"}
		}
	}
	return nil
}

// check compares what the identity says with what is there.
func (d *dataDir) check() error {
	if d.identity.Format > dataFormat {
		return &DirError{d.path, fmt.Sprintf("has format %d, newer than this program's %d", d.identity.Format, dataFormat), "start it with the newer grange"}
	}
	key, err := d.readKey()
	if err != nil {
		return &DirError{d.path, "has no readable " + keyName + " (" + err.Error() + ")", "restore that file from a backup"}
	}
	d.node = nodeOf(key)
	if d.identity.Node != d.node.String() {
		return &DirError{d.path, "belongs to node " + d.identity.Node + ", but its " + keyName + " is that of " + d.node.String(), "restore the key of this directory's node"}
	}
	if _, err := os.Stat(d.file(metaName)); d.identity.Ready && errors.Is(err, fs.ErrNotExist) {
		return &DirError{d.path, "has lost its metadata (" + metaName + " is missing)", "mount the disk that holds it; restore it if that disk is dead"}
	}
	return nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

func (d *dataDir) save() error {
	raw, err := json.MarshalIndent(d.identity, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(d.file(identityName), append(raw, '\n'), 0o600)
}

// join keeps the cluster that the node belongs to, and refuses another one than before.
func (d *dataDir) join(cluster [16]byte) error {
	text := hex.EncodeToString(cluster[:])
	if d.identity.Cluster == text {
		return nil
	}
	if d.identity.Cluster != "" {
		return &DirError{d.path, "belongs to cluster " + d.identity.Cluster + ", but its metadata to " + text, "restore the metadata of this directory's node"}
	}
	d.identity.Cluster = text
	return d.save()
}

// expectedDisks are the disks that must be there.
func (d *dataDir) expectedDisks() ([]disk.Disk, error) {
	disks := make([]disk.Disk, 0, len(d.identity.Disks))
	for _, r := range d.identity.Disks {
		diskID, err := disk.ParseID(r.ID)
		if err != nil {
			return nil, &DirError{d.path, "has a damaged " + identityName, "restore that file from a backup"}
		}
		disks = append(disks, disk.Disk{ID: diskID, Path: r.Path})
	}
	return disks, nil
}

// remember keeps the disks that the node uses now, and that its first start is behind it.
func (d *dataDir) remember(disks []disk.Disk) error {
	records := make([]diskRecord, 0, len(disks))
	for _, k := range disks {
		records = append(records, diskRecord{k.ID.String(), k.Path})
	}
	d.identity.Disks, d.identity.Ready = records, true
	return d.save()
}

// close gives the directory back.
func (d *dataDir) close() error { return d.lock.Close() }

func (d *dataDir) createKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(d.file(keyName), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (d *dataDir) readKey() (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(d.file(keyName))
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(raw)
	if b == nil {
		return nil, fmt.Errorf("%s is not PEM", keyName)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyName, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key", keyName)
	}
	return key, nil
}

// nodeOf names the node that has the key: the beginning of the SHA-256 of its public key.
func nodeOf(key ed25519.PrivateKey) (n id.Node) {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	copy(n[:], sum[:])
	return n
}
