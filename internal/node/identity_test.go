package node

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"grange/internal/block/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// editIdentity changes identity.json of a node that is down.
func editIdentity(t *testing.T, dir string, change func(*identity)) {
	t.Helper()
	path := filepath.Join(dir, identityName)
	raw, err := os.ReadFile(path)
	must(t, err)
	var i identity
	must(t, json.Unmarshal(raw, &i))
	change(&i)
	raw, err = json.Marshal(i)
	must(t, err)
	must(t, os.WriteFile(path, raw, 0o600))
}

// Each of these is a mount that failed, a restore that mixed two nodes up, or a downgrade. To begin anew in such a
// directory would bury what is left of the data.
func TestADirectoryThatIsNotThisNodesIsRefused(t *testing.T) {
	cases := map[string]struct {
		spoil func(t *testing.T, dir, other string)
		want  string // part of the one line
	}{
		"a newer format": {func(t *testing.T, dir, _ string) {
			editIdentity(t, dir, func(i *identity) { i.Format = 99 })
		}, "start it with the newer grange"},
		"a damaged identity": {func(t *testing.T, dir, _ string) {
			must(t, os.WriteFile(filepath.Join(dir, identityName), []byte("{"), 0o600))
		}, "damaged identity.json"},
		"no identity but data": {func(t *testing.T, dir, _ string) {
			must(t, os.Remove(filepath.Join(dir, identityName)))
		}, "holds data but no identity.json"},
		"somebody else's files": {func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(dir))
			must(t, os.MkdirAll(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600))
		}, "thesis.doc"},
		"the key of another node": {func(t *testing.T, dir, other string) {
			must(t, os.Rename(filepath.Join(other, keyName), filepath.Join(dir, keyName)))
		}, "restore the key"},
		"no key": {func(t *testing.T, dir, _ string) {
			must(t, os.Remove(filepath.Join(dir, keyName)))
		}, "no readable node-key"},
		"no metadata": {func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(filepath.Join(dir, metaName)))
		}, "lost its metadata"},
		"empty metadata": {func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(filepath.Join(dir, metaName)))
			must(t, os.Mkdir(filepath.Join(dir, metaName), 0o700))
		}, "mount the disk that holds it"},
		"the metadata of another node": {func(t *testing.T, dir, other string) {
			must(t, os.RemoveAll(filepath.Join(dir, metaName)))
			must(t, os.Rename(filepath.Join(other, metaName), filepath.Join(dir, metaName)))
		}, "mount the right disk"},
		"another cluster": {func(t *testing.T, dir, _ string) {
			editIdentity(t, dir, func(i *identity) { i.Cluster = strings.Repeat("0", 32) })
		}, "belongs to cluster"},
		"no blocks": {func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(filepath.Join(dir, blocksName)))
		}, "mount it"},
		"empty blocks": {func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(filepath.Join(dir, blocksName)))
			must(t, os.Mkdir(filepath.Join(dir, blocksName), 0o700))
		}, "mount it"},
		"the blocks of another node": {func(t *testing.T, dir, other string) {
			must(t, os.RemoveAll(filepath.Join(dir, blocksName)))
			must(t, os.Rename(filepath.Join(other, blocksName), filepath.Join(dir, blocksName)))
		}, "belongs to node"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l, other := settings(t, t.TempDir()), settings(t, t.TempDir())
			must(t, start(t, l).stop())
			must(t, start(t, other).stop())
			tc.spoil(t, l.DataDir, other.DataDir)
			err := refused(t, l)
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			again := refused(t, l)
			if again.Error() != err.Error() {
				t.Errorf("the refusal changed something: then %v, now %v", err, again)
			}
		})
	}
}

func TestADirectoryInUseIsRefused(t *testing.T) {
	l := settings(t, t.TempDir())
	start(t, l)
	err := refused(t, l)
	if e, ok := errors.AsType[*DirError](err); !ok || !strings.Contains(e.Reason, "in use") {
		t.Errorf("got %v", err)
	}
	if _, err := OpenOffline(l.DataDir); !strings.Contains(err.Error(), "in use") {
		t.Errorf("inspect: got %v", err)
	}
}

// A power cut can come between any two files of the first start.
func TestAFirstStartThatWasCutShortIsTakenUpAgain(t *testing.T) {
	cases := map[string]func(t *testing.T, dir string){
		"after the key": func(t *testing.T, dir string) {
			for _, name := range []string{identityName, metaName, blocksName} {
				must(t, os.RemoveAll(filepath.Join(dir, name)))
			}
		},
		"after the identity": func(t *testing.T, dir string) {
			editIdentity(t, dir, func(i *identity) { i.Ready, i.Cluster, i.Disks = false, "", nil })
			must(t, os.RemoveAll(filepath.Join(dir, metaName)))
			must(t, os.RemoveAll(filepath.Join(dir, blocksName)))
		},
		"after the cluster was made": func(t *testing.T, dir string) {
			editIdentity(t, dir, func(i *identity) { i.Ready, i.Cluster, i.Disks = false, "", nil })
			must(t, os.RemoveAll(filepath.Join(dir, blocksName)))
		},
		"at the very end": func(t *testing.T, dir string) {
			editIdentity(t, dir, func(i *identity) { i.Ready, i.Disks = false, nil })
		},
		"while a file was written": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, temporaryPrefix+identityName+"-1"), []byte("{"), 0o600))
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			l := settings(t, t.TempDir())
			must(t, start(t, l).stop())
			key, err := os.ReadFile(filepath.Join(l.DataDir, keyName))
			must(t, err)
			spoil(t, l.DataDir)
			r := start(t, l)
			if buckets, err := r.client(t, l).Buckets(t.Context(), ""); err != nil || len(buckets) != 1 {
				t.Errorf("buckets: got %v, %v", buckets, err)
			}
			if again, err := os.ReadFile(filepath.Join(l.DataDir, keyName)); err != nil || string(again) != string(key) {
				t.Errorf("the node has another key (%v)", err)
			}
			must(t, r.stop())
			must(t, start(t, l).stop())
		})
	}
}

func TestSeveralBlockDirectoriesAreAllMissed(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	l := settings(t, filepath.Join(dir, "data"), "GRANGE_BLOCK_DIRS="+one+"=1GB,"+two)
	must(t, start(t, l).stop())
	must(t, os.Rename(two, two+".gone"))
	if err := refused(t, l); !isDiskError(err) || !strings.Contains(err.Error(), two) {
		t.Errorf("got %v", err)
	}
	must(t, os.RemoveAll(two))
	must(t, os.Rename(two+".gone", two))
	must(t, start(t, l).stop())
}

func isDiskError(err error) bool {
	_, ok := errors.AsType[*disk.DirError](err)
	return ok
}

func TestAFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	must(t, writeFile(path, []byte("first"), 0o600))
	must(t, os.Chmod(filepath.Dir(path), 0o500))
	if os.Getuid() != 0 { // root may write anywhere
		if err := writeFile(path, []byte("second"), 0o600); err == nil {
			t.Error("a directory that cannot be written to was written to")
		}
	}
	must(t, os.Chmod(filepath.Dir(path), 0o700))
	must(t, writeFile(path, []byte("third"), 0o640))
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != "third" || len(entries) != 1 {
		t.Errorf("got %q, %v, %d files", raw, err, len(entries))
	}
	if err := makeDir(path); err == nil {
		t.Error("a file was taken for a directory")
	}
}
