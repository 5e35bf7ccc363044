//go:build accept

package accept

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

// A year of backups in a minute: init, two backups of data that changes, a full read of everything stored, restores of
// both, and forgetting the first one. Between the steps the server goes down once in order and once by kill -9.
func TestResticKeepsBackups(t *testing.T) {
	s := start(t)
	rng := seeded(t)
	data, before := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "before")
	for name, size := range map[string]int{
		"small": 100, "empty": 0, "photos/one": 3 << 20, "photos/two": 700_000, "mail/box": pick(30, 400) << 20,
	} {
		writeFile(t, filepath.Join(data, name), content(name, size))
	}
	for i := range pick(300, 5000) {
		name := filepath.Join("many", string(rune('a'+i%26)), string(rune('a'+i/26%26))+string(rune('a'+i/676)))
		writeFile(t, filepath.Join(data, name), content(name, rng.IntN(20_000)))
	}

	s.run("restic", "init")
	s.run("restic", "backup", data)
	copyTree(t, data, before)
	s.stop()
	s.start()
	changeTree(t, rng, data)
	s.run("restic", "backup", data)
	s.kill()
	s.start()
	mustContain(t, s.run("restic", "check", "--read-data"), "no errors were found")

	first, second := s.resticSnapshots()[0], s.resticSnapshots()[1]
	s.resticRestored(first, data, before)
	s.resticRestored(second, data, data)

	s.run("restic", "forget", "--keep-last", "1", "--prune")
	if got := s.resticSnapshots(); len(got) != 1 || got[0] != second {
		t.Errorf("after forget the snapshots are %v, want only %s", got, second)
	}
	mustContain(t, s.run("restic", "check", "--read-data"), "no errors were found")
	s.resticRestored(second, data, data)
}

// resticSnapshots gives the ids of all snapshots, the oldest first.
func (s *server) resticSnapshots() []string {
	s.t.Helper()
	var snapshots []struct {
		ID string `json:"id"`
	}
	out := s.run("restic", "snapshots", "--json")
	if err := json.Unmarshal([]byte(out), &snapshots); err != nil {
		s.t.Fatalf("%v in %q", err, out)
	}
	ids := make([]string, len(snapshots))
	for i, snapshot := range snapshots {
		ids[i] = snapshot.ID
	}
	return ids
}

// resticRestored restores a snapshot of path and compares it with the files that it should have.
func (s *server) resticRestored(snapshot, path, want string) {
	s.t.Helper()
	target := s.t.TempDir()
	s.run("restic", "restore", snapshot, "--target", target)
	sameFiles(s.t, want, filepath.Join(target, path))
}
