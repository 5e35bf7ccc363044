//go:build accept

package accept

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// content gives the bytes that belong to a name: the same for the same name and size, random to look at. So what was
// written need not be kept to be compared.
func content(name string, size int) []byte {
	b := make([]byte, size)
	if _, err := io.ReadFull(contentReader(name), b); err != nil {
		panic(err) // a ChaCha8 never fails
	}
	return b
}

// contentReader gives the bytes that belong to a name, without end.
func contentReader(name string) io.Reader {
	return rand.NewChaCha8(sha256.Sum256([]byte(name)))
}

// writeFile writes a file and the directories that it needs.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files lists the regular files below a directory by their relative names, with their digests.
func files(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	found := map[string][sha256.Size]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		found[name], err = digest(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// sameFiles fails the test unless two directories hold the same files with the same bytes.
func sameFiles(t *testing.T, wantDir, gotDir string) {
	t.Helper()
	want, got := files(t, wantDir), files(t, gotDir)
	if len(want) == 0 {
		t.Fatalf("no files in %s to compare with", wantDir)
	}
	if maps.Equal(want, got) {
		return
	}
	for name, sum := range want {
		switch other, ok := got[name]; {
		case !ok:
			t.Errorf("%s is missing", name)
		case other != sum:
			t.Errorf("%s has other bytes", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not be there", name)
		}
	}
}

// sameFile fails the test unless two files hold the same bytes.
func sameFile(t *testing.T, want, got string) {
	t.Helper()
	if !bytes.Equal(readFile(t, want), readFile(t, got)) {
		t.Errorf("%s and %s differ", want, got)
	}
}

// copyTree copies the regular files below a directory, with the times of their last change, and gives their number.
func copyTree(t *testing.T, from, to string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		n++
		return copyFile(path, filepath.Join(to, name))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// changeTree changes, adds and removes some files of a directory, as a day of work would.
func changeTree(t *testing.T, rng *rand.Rand, dir string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(files(t, dir)))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i, name := range names[:min(30, len(names)/3)] {
		path := filepath.Join(dir, name)
		switch i % 3 {
		case 0:
			writeFile(t, path, append(readFile(t, path), []byte("\nchanged")...))
		case 1:
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		case 2:
			writeFile(t, fmt.Sprintf("%s.new", path), content(name, rng.IntN(200_000)))
		}
	}
}
