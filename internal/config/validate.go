package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validate checks each setting by itself and those that depend on each other. It does not look at the disk: the node
// does when it opens it.
func (c *Config) validate() error {
	return errors.Join(
		c.validatePaths(),
		c.validateListeners(),
		c.validateTLS(),
		c.validateRegion(),
		c.validateSizes(),
		oneOf("compression", c.Compression, "auto", "none"),
		oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error"),
		oneOf("log_format", c.LogFormat, "text", "json"),
	)
}

func (c *Config) validatePaths() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, &Error{"data_dir", "", "name the directory: neither HOME nor XDG_STATE_HOME is set to find one"})
	}
	if len(c.BlockDirs) > BlockDirsMax {
		errs = append(errs, &Error{"block_dirs", fmt.Sprintf("%d directories", len(c.BlockDirs)), fmt.Sprintf("use at most %d", BlockDirsMax)})
	}
	var seen []string
	for _, d := range c.BlockDirs {
		path := filepath.Clean(d.Path)
		switch {
		case d.Path == "":
			errs = append(errs, &Error{"block_dirs", d.Path, "give each directory a path"})
		case slices.Contains(seen, path):
			errs = append(errs, &Error{"block_dirs", d.Path, "name each directory once"})
		case path == filepath.Clean(c.DataDir):
			errs = append(errs, &Error{"block_dirs", d.Path, "use a directory of its own, such as " + filepath.Join(path, "blocks")})
		}
		seen = append(seen, path)
	}
	return errors.Join(errs...)
}

func (c *Config) validateListeners() error {
	listeners := []struct{ name, address string }{
		{"s3_listen", c.S3Listen},
		{"web_listen", c.WebListen},
		{"k2v_listen", c.K2VListen},
		{"admin_listen", c.AdminListen},
		{"rpc_listen", c.RPCListen},
	}
	var errs []error
	taken := map[string]string{}
	for _, l := range listeners {
		_, port, err := net.SplitHostPort(l.address)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
			errs = append(errs, &Error{l.name, l.address, `write host:port or :port, such as ":3900" or "127.0.0.1:3903"`})
		} else if other, ok := taken[l.address]; ok && n != 0 {
			errs = append(errs, &Error{l.name, l.address, "choose another port: " + other + " has this one"})
		}
		taken[l.address] = l.name
	}
	return errors.Join(errs...)
}

func (c *Config) validateTLS() error {
	if c.TLSCertFile != "" && c.TLSKeyFile == "" {
		return &Error{"tls_key_file", "", "name the key that belongs to tls_cert_file"}
	}
	if c.TLSKeyFile != "" && c.TLSCertFile == "" {
		return &Error{"tls_cert_file", "", "name the certificate that belongs to tls_key_file"}
	}
	return nil
}

func (c *Config) validateRegion() error {
	var errs []error
	if c.Region == "" || strings.Trim(c.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		errs = append(errs, &Error{"region", c.Region, "use lower-case letters, digits and hyphens"})
	}
	for _, d := range c.S3RootDomains {
		if d == "" || strings.Trim(d, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || d[0] == '.' {
			errs = append(errs, &Error{"s3_root_domains", d, `write a domain in lower case, without leading dot and port, such as "s3.example.org"`})
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateSizes() error {
	var errs []error
	if c.Memory < MemoryMin {
		errs = append(errs, &Error{"memory", c.Memory.String(), "give at least " + Size(MemoryMin).String()})
	}
	durations := []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"gc_grace", c.GCGrace, 0},
		{"stop_timeout", c.StopTimeout, time.Second},
	}
	for _, d := range durations {
		if d.value < d.least {
			errs = append(errs, &Error{d.name, d.value.String(), "give at least " + d.least.String()})
		}
	}
	return errors.Join(errs...)
}

func (f FirstStart) validate() error {
	switch {
	case f.AccessKey != "" && f.SecretKey == "":
		return errors.New("config: GRANGE_ACCESS_KEY is set without GRANGE_SECRET_KEY: set both, or neither")
	case f.AccessKey == "" && f.SecretKey != "":
		return errors.New("config: GRANGE_SECRET_KEY is set without GRANGE_ACCESS_KEY: set both, or neither")
	case f.AccessKey == "" && f.Bucket != "":
		return errors.New("config: GRANGE_BUCKET is set without GRANGE_ACCESS_KEY and GRANGE_SECRET_KEY: a bucket needs a key that owns it")
	}
	return nil
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &Error{name, value, "use one of " + strings.Join(allowed, ", ")}
}
