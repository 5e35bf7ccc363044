package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// linesMax bounds a file of code; see the shape that good programs share.
const linesMax = 600

// goFile is a source file with what the rules look at.
type goFile struct {
	path      string // from the root of the module
	text      []byte
	syntax    *ast.File
	generated bool
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	walk(t, ".go", func(path string, text []byte) {
		syntax, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, goFile{path, text, syntax, ast.IsGenerated(syntax)})
	})
	if len(files) < 50 {
		t.Fatalf("only %d files were found", len(files))
	}
	return files
}

// walk visits the files of the repository with the given ending.
func walk(t *testing.T, ending string, visit func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ending) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err == nil {
			visit(filepath.ToSlash(rel), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesStayShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > linesMax && !f.generated && !f.isTest() {
			t.Errorf("%s has %d lines <- please split it by idea; a file of one idea has at most %d", f.path, n, linesMax)
		}
	}
}

func TestNothingIsLeftToDo(t *testing.T) {
	// The words are put together here, so that this file does not find itself.
	words := regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}, "|") + `)\b`)
	for _, f := range goFiles(t) {
		for _, group := range f.syntax.Comments {
			if word := words.FindString(group.Text()); word != "" && !f.generated {
				t.Errorf("%s says %s <- please do it, or open an issue", f.path, word)
			}
		}
	}
}

func TestTheRepositoryStandsAlone(t *testing.T) {
	outside := []string{"work/" + "shared", "../" + "shared"}
	for _, ending := range []string{".go", ".md", ".sh", ".yml", ".toml", "Makefile", ".proto"} {
		walk(t, ending, func(path string, text []byte) {
			for _, place := range outside {
				if bytes.Contains(text, []byte(place)) {
					t.Errorf("%s names %s, which is not part of the repository <- please say here what it says there", path, place)
				}
			}
		})
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	said, seen := map[string]bool{}, map[string]string{}
	for _, f := range goFiles(t) {
		dir := filepath.Dir(f.path)
		if f.isTest() {
			continue
		}
		seen[dir] = f.syntax.Name.Name
		said[dir] = said[dir] || f.syntax.Doc.Text() != ""
	}
	for dir, name := range seen {
		if !said[dir] {
			t.Errorf("package %s has no comment <- please say in %s/doc.go what it is for", name, dir)
		}
		switch name {
		case "util", "utils", "common", "helpers", "types", "misc", "base":
			t.Errorf("package %s in %s <- please name it for its idea, or put its contents beside their user", name, dir)
		}
	}
}

// replaced are imports for which the house has something better.
var replaced = map[string]string{
	"math/rand":                      "math/rand/v2 (or crypto/rand for what must not be guessed)",
	"io/ioutil":                      "io and os",
	"log":                            "log/slog, with a logger from the constructor",
	"github.com/pkg/errors":          "errors and fmt.Errorf with %w",
	"github.com/cockroachdb/errors":  "errors and fmt.Errorf with %w",
	"github.com/golang/protobuf":     "google.golang.org/protobuf",
	"github.com/gogo/protobuf":       "google.golang.org/protobuf",
	"github.com/stretchr/testify":    "plain testing and cmp.Diff",
	"github.com/aws/aws-sdk-go":      "package s3sign, or minio-go in tests",
	"golang.org/x/exp/slices":        "slices",
	"golang.org/x/exp/maps":          "maps",
	"github.com/cockroachdb/pebble":  "github.com/cockroachdb/pebble/v2",
	"go.etcd.io/etcd/raft/v3":        "go.etcd.io/raft/v3",
	"github.com/klauspost/pgzip":     "github.com/klauspost/compress/zstd",
	"golang.org/x/net/context":       "context",
	"golang.org/x/crypto/blake2b":    "github.com/zeebo/blake3 for blocks",
	"github.com/sirupsen/logrus":     "log/slog",
	"gopkg.in/yaml.v3":               "TOML by package config",
	"github.com/prometheus/promauto": "metrics registered by node",
}

func TestTheHouseHasSomethingBetter(t *testing.T) {
	programs := map[string]bool{"internal/config/gen/main.go": true} // a program may log as programs do
	for _, f := range goFiles(t) {
		for _, spec := range f.syntax.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if better := replaced[path]; better != "" && !programs[f.path] {
				t.Errorf("%s imports %s <- please use %s", f.path, path, better)
			}
		}
	}
}

// A test that sleeps is slow on a fast machine and wrong on a slow one; so is a product that does.
func TestNothingSleepsInTheProduct(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.isTest() || strings.HasSuffix(f.syntax.Name.Name, "test") { // and the suites, such as blocktest
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if pkg, isName := selectorPackage(fun, ok); isName && pkg == "time" && fun.Sel.Name == "Sleep" {
				t.Errorf("%s calls time.Sleep <- please wait for a timer and ctx in one select", f.path)
			}
			return true
		})
	}
}

func selectorPackage(s *ast.SelectorExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	name, ok := s.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return name.Name, true
}

// moduleOf finds the module of an import path by the longest prefix among the requirements.
func moduleOf(path string, modules []string) string {
	best := ""
	for _, m := range modules {
		if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+`).FindAllSubmatch(mod, -1) {
		modules = append(modules, string(m[1]))
	}
	used := map[string]bool{}
	for _, f := range goFiles(t) {
		if strings.HasPrefix(f.path, "tools/") {
			continue
		}
		for _, spec := range f.syntax.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if m := moduleOf(path, modules); m != "" {
				used[m] = true
			}
		}
	}
	for m := range used {
		if !bytes.Contains(page, []byte("`"+m+"`")) {
			t.Errorf("docs/dependencies.md does not say why we depend on %s <- please add a line", m)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` ").FindAllSubmatch(page, -1) {
		if !used[string(m[1])] {
			t.Errorf("docs/dependencies.md names %s, which nothing imports <- please take the line out", m[1])
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	walk(t, ".md", func(path string, text []byte) {
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, target)
			}
		}
	})
}

// Commands of the documents are typed by people at bad hours: each must exist.
func TestSettingsInTheDocumentsExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`GRANGE_[A-Z0-9_]+[A-Z0-9]`).FindAll(page, -1) {
		known[string(m)] = true
	}
	walk(t, ".md", func(path string, text []byte) {
		for _, m := range regexp.MustCompile(`GRANGE_[A-Z0-9_]+[A-Z0-9]`).FindAll(text, -1) {
			if !known[string(m)] && !strings.HasPrefix(string(m), "GRANGE_SIM_") {
				t.Errorf("%s names %s, which docs/reference/configuration.md does not know", path, m)
			}
		}
	})
}
