package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	gotoml "github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// SystemFile is read when no other file is named, if it is there.
const SystemFile = "/etc/grange/grange.toml"

// EnvPrefix begins the names of all environment variables.
const EnvPrefix = "GRANGE_"

// Variables that are not settings of the file, without EnvPrefix.
const (
	envConfig     = "CONFIG"
	envAccessKey  = "ACCESS_KEY"
	envSecretKey  = "SECRET_KEY"
	envBucket     = "BUCKET"
	envAdmin      = "ADMIN"
	envAdminToken = "ADMIN_TOKEN"
)

var otherVariables = []string{envConfig, envAccessKey, envSecretKey, envBucket, envAdmin, envAdminToken}

// Sources are where settings come from.
type Sources struct {
	File    string         // path of the TOML file; empty: GRANGE_CONFIG, else SystemFile if it is there
	Environ []string       // as os.Environ gives it
	Flags   *pflag.FlagSet // made by AddFlags; nil: none
	UID     int            // of the process
}

// FirstStart is what a node makes at its first start, and never later.
type FirstStart struct {
	AccessKey string // empty: nothing is made
	SecretKey string
	Bucket    string // empty: no bucket
}

// Loaded is a configuration that was found valid.
type Loaded struct {
	Config
	// File is the path of the file that was read; empty: none.
	File string
	// FirstStart is from GRANGE_ACCESS_KEY, GRANGE_SECRET_KEY and GRANGE_BUCKET.
	FirstStart FirstStart
	// AdminToken is GRANGE_ADMIN_TOKEN.
	AdminToken string
	// Notices are what an operator should hear and what does not stop the start, one line each.
	Notices []string
}

// Error is a setting that cannot be used.
type Error struct {
	Setting string // as the file names it
	Value   string // as it was given
	Remedy  string // what to do
}

// Error is one line with the setting, the value and the remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("config: %s = %q: %s", e.Setting, e.Value, e.Remedy)
}

// LoadError is the error of a configuration that cannot be used: one line for each problem.
type LoadError struct{ Err error }

// Error is the problems, one line each.
func (e *LoadError) Error() string { return e.Err.Error() }

// Unwrap is the problems.
func (e *LoadError) Unwrap() error { return e.Err }

// Load gathers the settings from s over the defaults and checks them. Its error is a [LoadError].
func Load(s Sources) (*Loaded, error) {
	l, err := load(s)
	if err != nil {
		return nil, &LoadError{err}
	}
	return l, nil
}

func load(s Sources) (*Loaded, error) {
	getenv := lookup(s.Environ)
	l := &Loaded{Config: Default(getenv, s.UID)}
	ko := koanf.New(".")
	var err error
	if l.File, err = loadFile(ko, s.File, getenv); err != nil {
		return nil, err
	}
	if err := checkKeys(ko, l.File); err != nil {
		return nil, err
	}
	if l.Notices, err = loadEnv(ko, s.Environ); err != nil {
		return nil, err
	}
	if s.Flags != nil {
		if err := loadFlags(ko, s.Flags); err != nil {
			return nil, err
		}
	}
	if err := decode(ko, &l.Config); err != nil {
		return nil, err
	}
	l.FirstStart = FirstStart{getenv(EnvPrefix + envAccessKey), getenv(EnvPrefix + envSecretKey), getenv(EnvPrefix + envBucket)}
	l.AdminToken = getenv(EnvPrefix + envAdminToken)
	if err := errors.Join(l.validate(), l.FirstStart.validate()); err != nil {
		return nil, err
	}
	return l, l.absolute()
}

// lookup is os.Getenv over a list of variables.
func lookup(environ []string) func(string) string {
	vars := make(map[string]string, len(environ))
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}

func loadFile(ko *koanf.Koanf, path string, getenv func(string) string) (string, error) {
	if path == "" {
		path = getenv(EnvPrefix + envConfig)
	}
	if path == "" {
		if _, err := os.Stat(SystemFile); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		path = SystemFile
	}
	err := ko.Load(file.Provider(path), toml.Parser())
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("config: file %s does not exist: name another with --config or leave it out to start with the defaults", path)
	}
	if te, ok := errors.AsType[*gotoml.DecodeError](err); ok {
		line, column := te.Position()
		return "", fmt.Errorf("config: file %s, line %d, column %d is not TOML: %w", path, line, column, te)
	}
	if err != nil {
		return "", fmt.Errorf("config: read file %s: %w", path, err)
	}
	return path, nil
}

// checkKeys refuses what the file says and no field takes.
func checkKeys(ko *koanf.Koanf, path string) error {
	var errs []error
	for _, key := range slices.Sorted(slices.Values(topKeys(ko))) {
		if !slices.Contains(Names(), key) {
			errs = append(errs, fmt.Errorf("config: file %s: unknown setting %q: %s", path, key, suggestion(key, Names())))
		}
	}
	return errors.Join(errs...)
}

func topKeys(ko *koanf.Koanf) []string {
	keys := make([]string, 0, len(ko.Raw()))
	for key := range ko.Raw() {
		keys = append(keys, key)
	}
	return keys
}

// loadEnv takes the variables that name settings. Others with our prefix are a notice and no error, because scripts
// around us use the prefix too.
func loadEnv(ko *koanf.Koanf, environ []string) (notices []string, err error) {
	names := Names()
	transform := func(name, value string) (string, any) {
		short := strings.TrimPrefix(name, EnvPrefix)
		if key := strings.ToLower(short); slices.Contains(names, key) {
			return key, value
		}
		if !slices.Contains(otherVariables, short) {
			hint := suggestion(strings.ToLower(short), names)
			notices = append(notices, fmt.Sprintf("environment variable %s is not a setting: %s", name, hint))
		}
		return "", nil
	}
	err = ko.Load(env.Provider(".", env.Opt{
		Prefix:        EnvPrefix,
		TransformFunc: transform,
		EnvironFunc:   func() []string { return environ },
	}), nil)
	slices.Sort(notices)
	return notices, err
}

// loadFlags takes the flags that were given and that name settings.
func loadFlags(ko *koanf.Koanf, flags *pflag.FlagSet) error {
	names := Names()
	pick := func(f *pflag.Flag) (string, any) {
		if key := strings.ReplaceAll(f.Name, "-", "_"); f.Changed && slices.Contains(names, key) {
			return key, f.Value.String()
		}
		return "", nil
	}
	return ko.Load(posflag.ProviderWithFlag(flags, ".", ko, pick), nil)
}

// decode sets the fields of c that ko has a value for, one by one, so that each error names its setting.
func decode(ko *koanf.Koanf, c *Config) error {
	var errs []error
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("koanf")
		if !ko.Exists(key) {
			continue
		}
		if err := decodeField(ko.Get(key), v.Field(i)); err != nil {
			errs = append(errs, &Error{key, fmt.Sprint(ko.Get(key)), remedyFor(v.Field(i).Type(), err)})
		}
	}
	return errors.Join(errs...)
}

func decodeField(value any, field reflect.Value) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           field.Addr().Interface(),
		TagName:          "koanf",
		WeaklyTypedInput: true,
		ErrorUnused:      true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			durationHook,
			listHook,
			mapstructure.TextUnmarshallerHookFunc(),
		),
	})
	if err != nil {
		return err
	}
	return d.Decode(value)
}

// Names are the names of all settings as the file writes them, in the order of the fields.
func Names() []string {
	t := reflect.TypeFor[Config]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("koanf")
	}
	return names
}

// absolute makes the paths independent of the working directory.
func (c *Config) absolute() error {
	paths := []*string{&c.DataDir, &c.TLSCertFile, &c.TLSKeyFile, &c.AdminTokenFile}
	for i := range c.BlockDirs {
		paths = append(paths, &c.BlockDirs[i].Path)
	}
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("config: make %q absolute: %w", *p, err)
		}
		*p = abs
	}
	return nil
}
