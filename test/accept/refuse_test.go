//go:build accept

package accept

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server refuses to start on a directory that is not its own, with an exit code other than 0 and one line that names the
// place. It changes nothing: put right, the directory serves what it held before.
func TestWrongDataDirectoriesAreRefused(t *testing.T) {
	cases := map[string]struct {
		spoil func(t *testing.T, dir string) (repair func())
		want  []string
	}{
		"a block directory that is empty but was known": {
			spoil: func(t *testing.T, dir string) func() {
				repair := aside(t, filepath.Join(dir, "blocks"))
				must(t, os.Mkdir(filepath.Join(dir, "blocks"), 0o700))
				return repair
			},
			want: []string{"blocks", "empty"},
		},
		"a block directory that is gone": {
			spoil: func(t *testing.T, dir string) func() { return aside(t, filepath.Join(dir, "blocks")) },
			want:  []string{"blocks"},
		},
		"metadata that is gone": {
			spoil: func(t *testing.T, dir string) func() { return aside(t, filepath.Join(dir, "meta")) },
			want:  []string{"meta"},
		},
		"metadata that is empty": {
			spoil: func(t *testing.T, dir string) func() {
				repair := aside(t, filepath.Join(dir, "meta"))
				must(t, os.Mkdir(filepath.Join(dir, "meta"), 0o700))
				return repair
			},
			want: []string{"meta"},
		},
		"an identity that is gone": {
			spoil: func(t *testing.T, dir string) func() { return aside(t, filepath.Join(dir, "identity.json")) },
			want:  []string{"identity.json"},
		},
		"a key that is gone": {
			spoil: func(t *testing.T, dir string) func() { return aside(t, filepath.Join(dir, "node-key")) },
			want:  []string{"node-key"},
		},
		"a data directory of a newer program": {
			spoil: func(t *testing.T, dir string) func() {
				return replaced(t, filepath.Join(dir, "identity.json"), `"format": 1`, `"format": 99`)
			},
			want: []string{"format 99", "newer"},
		},
		"a block directory of a newer program": {
			spoil: func(t *testing.T, dir string) func() {
				return replaced(t, filepath.Join(dir, "blocks", "identity.json"), `"format":1`, `"format":99`)
			},
			want: []string{"blocks", "newer"},
		},
		"the blocks of another node": {
			spoil: func(t *testing.T, dir string) func() {
				other := start(t)
				other.stop()
				repair := aside(t, filepath.Join(dir, "blocks"))
				must(t, os.Rename(filepath.Join(other.dataDir, "blocks"), filepath.Join(dir, "blocks")))
				return repair
			},
			want: []string{"blocks", "belongs to"},
		},
		"the metadata of another node": {
			spoil: func(t *testing.T, dir string) func() {
				other := start(t)
				other.stop()
				repair := aside(t, filepath.Join(dir, "meta"))
				must(t, os.Rename(filepath.Join(other.dataDir, "meta"), filepath.Join(dir, "meta")))
				return repair
			},
			want: []string{"belongs to"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			must(t, put(t.Context(), s.minioClient(), "small", 1000))
			must(t, put(t.Context(), s.minioClient(), "large", 3<<20))
			s.stop()
			repair := tc.spoil(t, s.dataDir)
			said := s.refusal()
			t.Log(said)
			mustContain(t, said, append(tc.want, s.dataDir)...)
			repair()
			s.start()
			mustHave(t, s.minioClient(), "small", "small", 1000)
			mustHave(t, s.minioClient(), "large", "large", 3<<20)
		})
	}
}

// aside moves a file or directory away; repair puts it back.
func aside(t *testing.T, path string) (repair func()) {
	t.Helper()
	away := filepath.Join(t.TempDir(), "aside")
	must(t, os.Rename(path, away))
	return func() {
		must(t, os.RemoveAll(path))
		must(t, os.Rename(away, path))
	}
}

// replaced changes a text in a file; repair puts the old file back.
func replaced(t *testing.T, path, from, to string) (repair func()) {
	t.Helper()
	data := string(readFile(t, path))
	mustContain(t, data, from)
	must(t, os.WriteFile(path, []byte(strings.Replace(data, from, to, 1)), 0o600))
	return func() { must(t, os.WriteFile(path, []byte(data), 0o600)) }
}

// A directory with somebody else's files is not taken over.
func TestForeignDirectoryIsRefused(t *testing.T) {
	s := newServer(t)
	writeFile(t, filepath.Join(s.dataDir, "holiday.jpg"), []byte("not ours"))
	said := s.refusal()
	t.Log(said)
	mustContain(t, said, s.dataDir, "holiday.jpg")
	entries, err := os.ReadDir(s.dataDir)
	must(t, err)
	for _, e := range entries {
		if name := e.Name(); name != "holiday.jpg" && name != "lock" {
			t.Errorf("the refused start left %s behind", name)
		}
	}
}

// Two servers on one directory would ruin it; the second one ends and the first one does not notice.
func TestSecondServerOnOneDirectoryIsRefused(t *testing.T) {
	s := start(t)
	second := newServer(t, inDir(s.dataDir))
	said := second.refusal()
	t.Log(said)
	mustContain(t, said, s.dataDir, "in use")
	must(t, put(t.Context(), s.minioClient(), "key", 3<<20))
	mustHave(t, s.minioClient(), "key", "key", 3<<20)
}

// What the operator got wrong is told in one line that names it.
func TestWrongSettingsAreRefused(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "grange.toml")
	writeFile(t, file, []byte("s3_lisen = \":3900\"\n"))
	cases := map[string]struct {
		option func(*server)
		want   []string
	}{
		"an address that is taken":          {func(s *server) { s.s3 = taken.Addr().String() }, []string{taken.Addr().String(), "in use"}},
		"an address that is none":           {func(s *server) { s.s3 = "nonsense" }, []string{"nonsense"}},
		"an unknown flag":                   {with("--s3-lisen", ":1"), []string{"--s3-lisen"}},
		"an unknown setting in the file":    {with("--config", file), []string{"s3_lisen", "s3_listen"}},
		"a size that is none":               {with("--memory", "much"), []string{"memory", "much"}},
		"a directory that cannot be made":   {inDir("/dev/null/data"), []string{"/dev/null/data"}},
		"an environment key without secret": {func(s *server) { s.env = []string{"GRANGE_ACCESS_KEY=lonely"} }, []string{"GRANGE_SECRET_KEY"}},
		"a bucket name that is none":        {func(s *server) { s.env = append(s.env, "GRANGE_BUCKET=No_Bucket") }, []string{"No_Bucket"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			said := newServer(t, tc.option).refusal()
			t.Log(said)
			mustContain(t, said, tc.want...)
		})
	}
}
