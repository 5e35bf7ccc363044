package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// home is the least environment that a node can start in.
var home = []string{"HOME=/home/ada"}

func parseFlags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("server", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "grange.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesGoBeforeEarlierOnes(t *testing.T) {
	cases := map[string]struct {
		file  string
		env   []string
		flags []string
		want  func(*Config)
	}{
		"nothing given is the default": {want: func(*Config) {}},
		"the file goes before the default": {
			file: `region = "home"`,
			want: func(c *Config) { c.Region = "home" },
		},
		"the environment goes before the file": {
			file: `region = "home"`,
			env:  []string{"GRANGE_REGION=town"},
			want: func(c *Config) { c.Region = "town" },
		},
		"a flag goes before the environment": {
			env:   []string{"GRANGE_REGION=town"},
			flags: []string{"--region", "farm"},
			want:  func(c *Config) { c.Region = "farm" },
		},
		"sizes, durations and lists in the file": {
			file: "memory = \"1GiB\"\nreserve_space = 4096\ngc_grace = \"90m\"\ns3_root_domains = [\"a.example\", \"b.example\"]\nblock_dirs = [{path = \"/mnt/a\", capacity = \"2TB\"}, {path = \"/mnt/b\"}]\nstrict_region = true",
			want: func(c *Config) {
				c.Memory, c.ReserveSpace, c.GCGrace, c.StrictRegion = 1<<30, 4096, 90*time.Minute, true
				c.S3RootDomains = []string{"a.example", "b.example"}
				c.BlockDirs = []BlockDir{{"/mnt/a", 2e12}, {"/mnt/b", 0}}
			},
		},
		"sizes, durations and lists on one line": {
			env:   []string{"GRANGE_MEMORY=512MiB", "GRANGE_BLOCK_DIRS=/mnt/a=1GB,/mnt/b", "GRANGE_METRICS_OPEN=true"},
			flags: []string{"--gc-grace", "1h", "--s3-root-domains", "a.example,b.example", "--strict-region"},
			want: func(c *Config) {
				c.Memory, c.GCGrace, c.StrictRegion, c.MetricsOpen = 512<<20, time.Hour, true, true
				c.S3RootDomains = []string{"a.example", "b.example"}
				c.BlockDirs = []BlockDir{{"/mnt/a", 1e9}, {"/mnt/b", 0}}
			},
		},
		"systemd's state directory is the data directory": {
			env:  []string{"STATE_DIRECTORY=/var/lib/elsewhere"},
			want: func(c *Config) { c.DataDir = "/var/lib/elsewhere" },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := Sources{Environ: append(home, tc.env...), Flags: parseFlags(t, tc.flags...), UID: 1000}
			if tc.file != "" {
				s.File = writeFile(t, tc.file)
			}
			got, err := Load(s)
			if err != nil {
				t.Fatal(err)
			}
			want := Default(lookup(home), 1000)
			tc.want(&want)
			if diff := cmp.Diff(want, got.Config); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRefusalsAreOneLineWithTheRemedy(t *testing.T) {
	cases := map[string]struct {
		file string
		env  []string
		want string
	}{
		"unknown setting":        {file: `s3_lisen = ":1"`, want: `unknown setting "s3_lisen": did you mean "s3_listen"?`},
		"setting like no other":  {file: `entirely_other = 1`, want: `see "grange config show"`},
		"broken TOML":            {file: "region = \n", want: "line 1"},
		"bad size":               {env: []string{"GRANGE_MEMORY=lots"}, want: `memory = "lots": write a number of bytes`},
		"negative size":          {file: `memory = "-1MiB"`, want: `memory = "-1MiB": write a number of bytes`},
		"too little memory":      {env: []string{"GRANGE_MEMORY=1MiB"}, want: `memory = "1MiB": give at least 96MiB`},
		"duration without unit":  {file: `gc_grace = 90`, want: `gc_grace = "90": write a duration with its unit`},
		"negative duration":      {file: `gc_grace = "-1h"`, want: `gc_grace = "-1h0m0s": give at least 0s`},
		"not a boolean":          {env: []string{"GRANGE_STRICT_REGION=perhaps"}, want: `strict_region = "perhaps": write true or false`},
		"address without colon":  {file: `s3_listen = 3900`, want: `s3_listen = "3900": write host:port`},
		"port too large":         {env: []string{"GRANGE_S3_LISTEN=:65536"}, want: `write host:port`},
		"address used twice":     {env: []string{"GRANGE_K2V_LISTEN=:3900"}, want: `k2v_listen = ":3900": choose another port: s3_listen has this one`},
		"unknown log level":      {env: []string{"GRANGE_LOG_LEVEL=loud"}, want: `log_level = "loud": use one of debug, info, warn, error`},
		"certificate, no key":    {env: []string{"GRANGE_TLS_CERT_FILE=/x.pem"}, want: "tls_key_file"},
		"region with a space":    {env: []string{"GRANGE_REGION=my home"}, want: `region = "my home"`},
		"directory named twice":  {env: []string{"GRANGE_BLOCK_DIRS=/a,/a/"}, want: `block_dirs = "/a/": name each directory once`},
		"blocks in the data dir": {env: []string{"GRANGE_BLOCK_DIRS=/d", "GRANGE_DATA_DIR=/d"}, want: "use a directory of its own"},
		"unknown table field":    {file: "block_dirs = [{path = \"/a\", size = 1}]", want: "block_dirs = "},
		"key without secret":     {env: []string{"GRANGE_ACCESS_KEY=k"}, want: "GRANGE_ACCESS_KEY is set without GRANGE_SECRET_KEY"},
		"bucket without key":     {env: []string{"GRANGE_BUCKET=b"}, want: "GRANGE_BUCKET is set without"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := Sources{Environ: append(home, tc.env...), UID: 1000}
			if tc.file != "" {
				s.File = writeFile(t, tc.file)
			}
			_, err := Load(s)
			if err == nil {
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q", err, tc.want)
			}
		})
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	_, err := Load(Sources{Environ: append(home, "GRANGE_MEMORY=1MiB", "GRANGE_LOG_LEVEL=loud")})
	if n := len(strings.Split(err.Error(), "\n")); n != 2 {
		t.Errorf("got %d lines, want 2:\n%v", n, err)
	}
}

func TestMissingFileIsRefused(t *testing.T) {
	_, err := Load(Sources{File: "/nowhere/grange.toml", Environ: home})
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownVariableIsANoticeOnly(t *testing.T) {
	l, err := Load(Sources{Environ: append(home, "GRANGE_S3_LISTN=:1", "GRANGE_BUCKET=", "GRANGE_ADMIN_TOKEN=t")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`environment variable GRANGE_S3_LISTN is not a setting: did you mean "s3_listen"?`}
	if diff := cmp.Diff(want, l.Notices); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if l.AdminToken != "t" {
		t.Errorf("admin token: got %q", l.AdminToken)
	}
}

func TestShownConfigurationReadsBackTheSame(t *testing.T) {
	first, err := Load(Sources{Environ: append(home, "GRANGE_BLOCK_DIRS=/mnt/a \"b\"=1GB", "GRANGE_S3_ROOT_DOMAINS=a.example", "GRANGE_GC_GRACE=1h")})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load(Sources{File: writeFile(t, string(first.WriteTOML())), Environ: home})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Config, again.Config); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var m map[string]any
	raw, err := json.Marshal(first.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &m); err != nil || m["gc_grace"] != "1h0m0s" || len(m) != len(Names()) {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestNoHomeAsksForADataDirectory(t *testing.T) {
	_, err := Load(Sources{UID: 1000})
	if e, ok := errors.AsType[*Error](err); !ok || e.Setting != "data_dir" {
		t.Errorf("got %v", err)
	}
}

func TestEveryFlagHasHelp(t *testing.T) {
	parseFlags(t).VisitAll(func(f *pflag.Flag) {
		if _, help := pflag.UnquoteUsage(f); len(help) < 10 {
			t.Errorf("--%s: help is %q", f.Name, f.Usage)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "1", "512MiB", "2TB", "1.5GiB", "-1", "9223372036854775807", "1e3", "8EiB", " 7 kB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		again, err := ParseSize(n.String())
		if n < 0 || err != nil || again != n {
			t.Errorf("%q: got %d, shown as %q, read back as %d, %v", s, n, n.String(), again, err)
		}
	})
}
