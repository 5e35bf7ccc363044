package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"grange/internal/kv"
)

// Offline is the data directory of a node that is down, opened for looking only.
type Offline struct {
	Node      string
	Cluster   string
	BlockDirs []string
	Meta      *kv.DB
	dir       *dataDir
}

// OpenOffline opens a data directory for looking. It is a [DirError] when the node runs, and changes nothing.
func OpenOffline(path string) (*Offline, error) {
	raw, err := os.ReadFile(filepath.Join(path, identityName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DirError{path, "holds no node", "name the data directory of a node with --data-dir"}
	}
	if err != nil {
		return nil, err
	}
	d := &dataDir{path: path}
	if err := json.Unmarshal(raw, &d.identity); err != nil {
		return nil, &DirError{path, "has a damaged " + identityName, "restore that file from a backup"}
	}
	if d.identity.Format > dataFormat {
		return nil, &DirError{path, fmt.Sprintf("has format %d, newer than this program's %d", d.identity.Format, dataFormat), "inspect it with the newer grange"}
	}
	if d.lock, err = lockDir(path); err != nil {
		return nil, err
	}
	o := &Offline{Node: d.identity.Node, Cluster: d.identity.Cluster, dir: d}
	for _, k := range d.identity.Disks {
		o.BlockDirs = append(o.BlockDirs, k.Path)
	}
	if o.Meta, err = kv.Open(d.file(metaName), kv.Options{ReadOnly: true, MustExist: true}); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return o, nil
}

// Close gives the directory back.
func (o *Offline) Close() error { return errors.Join(o.Meta.Close(), o.dir.close()) }
