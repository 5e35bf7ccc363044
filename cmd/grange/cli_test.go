package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"grange/internal/config"
	"grange/internal/node"
)

var rewriteReference = flag.Bool("reference", false, "write the reference page")

// What differs from run to run is shown by its kind.
var varying = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<id>"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "<node>"},
	{regexp.MustCompile(`\bGR[A-Z0-9]{18}\b`), "<key id>"},
	{regexp.MustCompile(`\b[a-z2-7]{40}\b`), "<secret>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z|Z)?( \([a-z0-9 ]+\))?`), "<time>"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{4,5}`), "<address>"},
	{regexp.MustCompile(`X-Amz-(Date|Signature)=[0-9a-fTZ]+`), "X-Amz-$1=<…>"},
	{regexp.MustCompile(`%2F\d{8}%2F`), "%2F<day>%2F"},
	{regexp.MustCompile(`\b(\w*_ms):\d+`), "$1:<time>"},
	{regexp.MustCompile(`\b(id|cluster_id|account|node):"([^"\\]|\\.)*\\x([^"\\]|\\.)*"`), "$1:<id>"},
	{regexp.MustCompile(`busy \d+`), "busy <n>"},
	{regexp.MustCompile(`(?m)^scrub +(idle|busy|throttled) .*$`), "scrub  <at work or waiting>"},
	{regexp.MustCompile(`(?m)^(memory +)\S+ \S+ of .*$`), "$1<…>"},
	{regexp.MustCompile(`\b\d+(\.\d+)? (B|KiB|MiB|GiB|TiB)( used| of| free|,|$)`), "<size>$3"},
	{regexp.MustCompile(`(?m) {2,}`), "  "},
	{regexp.MustCompile(`(?m) +$`), ""},
}

// world is a data directory with a node that a script starts and stops.
type world struct {
	dir  string
	env  []string
	stop func() error
}

// run carries out one command and shows what a person, and a script, would see.
func (w *world) run(line string) string {
	var out bytes.Buffer
	a := &app{out: &out, err: &out, environ: w.env, uid: 1000}
	code := a.main(context.Background(), fields(strings.ReplaceAll(line, "DIR", w.dir)))
	text := strings.ReplaceAll(out.String(), w.dir, "DIR")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.shown)
	}
	if code != 0 {
		text += fmt.Sprintf("exit code %d\n", code)
	}
	return text
}

// fields splits a command line; quotes keep spaces together.
func fields(line string) []string {
	var words []string
	for i, quoted := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, quoted)
			continue
		}
		words = append(words, strings.Fields(quoted)...)
	}
	return words
}

func (w *world) start(t *testing.T) {
	t.Helper()
	l, err := config.Load(config.Sources{UID: 1000, Environ: append(w.env,
		"GRANGE_S3_LISTEN=127.0.0.1:0", "GRANGE_ADMIN_LISTEN=127.0.0.1:0",
		"GRANGE_ACCESS_KEY=firstkey", "GRANGE_SECRET_KEY=firstsecret", "GRANGE_BUCKET=first")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan node.Runtime, 1), make(chan error, 1)
	go func() { done <- node.Run(ctx, node.Options{Loaded: l, Ready: func(r node.Runtime) { ready <- r }}) }()
	select {
	case r := <-ready:
		w.env = append(w.env, "AWS_ENDPOINT_URL="+r.S3, "AWS_ACCESS_KEY_ID=firstkey", "AWS_SECRET_ACCESS_KEY=firstsecret")
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	w.stop = func() error {
		cancel()
		w.stop = nil
		return <-done
	}
}

// put stores an object of that many bytes, by a link that the command line makes.
func (w *world) put(t *testing.T, key, size string) string {
	t.Helper()
	var link bytes.Buffer
	a := &app{out: &link, err: &link, environ: w.env, uid: 1000}
	if code := a.main(t.Context(), []string{"presign", "first/" + key, "--method", "PUT"}); code != 0 {
		t.Fatal(link.String())
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("0123456789abcde\n", n/16+1)[:n]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, strings.TrimSpace(link.String()), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return resp.Status + "\n"
}

func (w *world) flip(t *testing.T, offset string) string {
	t.Helper()
	at, err := strconv.Atoi(offset)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, "data", "blocks", "segments", "0000000000000001.seg")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return "ok\n"
}

func TestCommands(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		dir := t.TempDir()
		w := &world{dir: dir, env: []string{"HOME=" + dir, "GRANGE_DATA_DIR=" + filepath.Join(dir, "data"), "TZ=UTC"}}
		t.Cleanup(func() {
			if w.stop != nil {
				_ = w.stop()
			}
		})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "start":
				w.start(t)
				return "ok\n"
			case "stop":
				if err := w.stop(); err != nil {
					return err.Error() + "\n"
				}
				return "ok\n"
			case "file":
				if err := os.WriteFile(filepath.Join(dir, d.CmdArgs[0].Key), []byte(d.Input+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return "ok\n"
			case "put": // put KEY SIZE: an object of bucket first
				return w.put(t, d.CmdArgs[0].Key, d.CmdArgs[1].Key)
			case "flip": // flip OFFSET: spoil a byte of the first segment
				return w.flip(t, d.CmdArgs[0].Key)
			case "grange":
				var out strings.Builder
				for line := range strings.SplitSeq(d.Input, "\n") {
					out.WriteString(w.run(line))
				}
				return out.String()
			}
			t.Fatalf("unknown directive %q", d.Cmd)
			return ""
		})
	})
}

// reference is the page of all commands.
func reference() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Generated from the commands themselves. Do not edit: run \"make generate\". -->\n\n" +
		"`--json` works everywhere. Commands that speak to a node find it by its data directory (`--data-dir`, `GRANGE_DATA_DIR`),\n" +
		"or by `--admin URL` and a token.\n\n```\n" + exitHelp + "\n```\n")
	a := &app{environ: []string{"HOME=/home/ada"}}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" && c.HasParent() {
			return
		}
		if c.Runnable() && !c.HasSubCommands() {
			fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
			if c.Long != "" {
				fmt.Fprintf(&b, "\n%s\n", c.Long)
			}
			fmt.Fprintf(&b, "\n```\n%s\n%s```\n", c.UseLine(), flagsOf(c))
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(a.root())
	return b.String()
}

func flagsOf(c *cobra.Command) string {
	if c.Name() == "server" || c.Parent().Name() == "config" {
		return "  all settings are flags: see configuration.md\n"
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			flags.AddFlag(f)
		}
	})
	return flags.FlagUsages()
}

func TestReferencePageIsCurrent(t *testing.T) {
	const page = "../../docs/reference/commands.md"
	if *rewriteReference {
		if err := os.WriteFile(page, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != reference() {
		t.Errorf("%s is not what the commands say (%v) <- please run make generate", page, err)
	}
}

func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help is %q, want one sentence without its dot", c.CommandPath(), c.Short)
		}
		if !c.HasSubCommands() && c.Args == nil {
			t.Errorf("%s does not check its arguments", c.CommandPath())
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", c.CommandPath(), f.Name)
			}
		})
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk((&app{}).root())
}
