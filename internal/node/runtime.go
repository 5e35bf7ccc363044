package node

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"grange/internal/config"
)

// ErrNotRunning reports a data directory in which no node runs.
var ErrNotRunning = errors.New("node: not running")

// version is set by the linker: see the Makefile.
var version = ""

// Version is the version of this program.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

// Runtime is where a running node can be reached.
type Runtime struct {
	Admin   string    `json:"admin"` // URL
	S3      string    `json:"s3"`    // URL
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// ReadRuntime tells where the node of a data directory can be reached; ErrNotRunning if it was stopped. After a crash
// the answer is that of the node that crashed.
func ReadRuntime(dataDir string) (r Runtime, err error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, runtimeName))
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%w in %s: start it with \"grange server\", or name another with --data-dir or --admin", ErrNotRunning, dataDir)
	}
	if err != nil {
		return r, fmt.Errorf("find the node: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("find the node: %s: %w", filepath.Join(dataDir, runtimeName), err)
	}
	return r, nil
}

// writeRuntime writes what ReadRuntime reads.
func (d *dataDir) writeRuntime(r Runtime) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(d.file(runtimeName), append(raw, '\n'), 0o644)
}

// ReadToken is the admin token that the settings name: that of the environment, of the file, or of the data directory.
func ReadToken(l *config.Loaded) (string, error) {
	if l.AdminToken != "" {
		return l.AdminToken, nil
	}
	path := l.AdminTokenFile
	if path == "" {
		path = filepath.Join(l.DataDir, tokenName)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the admin token: %w; give it with --admin-token-file or GRANGE_ADMIN_TOKEN", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", fmt.Errorf("the admin token in %s is empty: write one into it, or remove the file to have one made", path)
	}
	return token, nil
}

// ensureToken is ReadToken, and makes the token of the data directory when there is none.
func (d *dataDir) ensureToken(l *config.Loaded) (string, error) {
	if l.AdminToken == "" && l.AdminTokenFile == "" {
		if _, err := os.Stat(d.file(tokenName)); errors.Is(err, fs.ErrNotExist) {
			if err := writeFile(d.file(tokenName), []byte(rand.Text()+"\n"), 0o600); err != nil {
				return "", err
			}
		}
	}
	return ReadToken(l)
}

// reachable is the address at which a listener can be reached from this machine.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
