package config

import "time"

// Config holds the settings of a node. [Default] is what holds for settings that nobody gave.
type Config struct {
	// DataDir is the directory for the node's identity, its metadata and, unless BlockDirs says otherwise, its content.
	// The default is $STATE_DIRECTORY if systemd sets it, else /var/lib/grange for root, else $XDG_STATE_HOME/grange,
	// else ~/.local/share/grange.
	DataDir string `koanf:"data_dir"`

	// BlockDirs are the directories for the content of large objects, one per disk: in the file a list of tables
	// {path, capacity}, in the environment and on the command line PATH or PATH=CAPACITY, separated by commas.
	// Without a capacity a directory uses its whole file system. The default is one directory, blocks, in DataDir.
	BlockDirs []BlockDir `koanf:"block_dirs"`

	// S3Listen is the address of the S3 API. Every request to it is authenticated, so it listens on all interfaces.
	S3Listen string `koanf:"s3_listen"`

	// WebListen is the address for buckets served as sites. This version accepts the setting and does not serve it yet.
	WebListen string `koanf:"web_listen"`

	// K2VListen is the address of the K2V API. This version accepts the setting and does not serve it yet.
	K2VListen string `koanf:"k2v_listen"`

	// AdminListen is the address of the admin API, health and metrics. It speaks plain HTTP with a bearer token, so by
	// default it listens on this machine only.
	AdminListen string `koanf:"admin_listen"`

	// RPCListen is the address for other nodes. This version accepts the setting and does not serve it yet.
	RPCListen string `koanf:"rpc_listen"`

	// TLSCertFile is a PEM file with the certificate chain of the S3 API. With it and TLSKeyFile the S3 API speaks
	// HTTPS only. The file is read again when it changes.
	TLSCertFile string `koanf:"tls_cert_file"`

	// TLSKeyFile is a PEM file with the private key for TLSCertFile.
	TLSKeyFile string `koanf:"tls_key_file"`

	// AdminTokenFile is a file with the bearer token of the admin API. The default is admin-token in DataDir, which is
	// made at the first start. GRANGE_ADMIN_TOKEN gives the token itself and goes before the file.
	AdminTokenFile string `koanf:"admin_token_file"`

	// MetricsOpen serves /metrics without the token, for a Prometheus that cannot send one.
	MetricsOpen bool `koanf:"metrics_open"`

	// Region is the region that the S3 API gives as its own.
	Region string `koanf:"region"`

	// StrictRegion refuses requests that were signed for another region. Otherwise any region is accepted.
	StrictRegion bool `koanf:"strict_region"`

	// S3RootDomains are the domains under which a bucket is a host name: with "s3.example.org" a request to
	// photos.s3.example.org is one to the bucket photos. Path-style requests always work.
	S3RootDomains []string `koanf:"s3_root_domains"`

	// Compression says whether content is compressed on disk: "auto" (zstd, where it pays) or "none".
	Compression string `koanf:"compression"`

	// Memory is what the process aims to stay within, in bytes. Caches and the number of requests whose bodies are in
	// work at once follow from it.
	Memory Size `koanf:"memory"`

	// ReserveSpace is the free space, in bytes, that each disk keeps for deletes and metadata: writes of content are
	// refused before it is touched. 0 keeps a 64th of the disk's capacity, and at least room for two segments.
	ReserveSpace Size `koanf:"reserve_space"`

	// GCGrace is how long a block that no object names is kept before it may be deleted.
	GCGrace time.Duration `koanf:"gc_grace"`

	// StopTimeout is how long requests in flight may take to finish when the node is asked to stop.
	StopTimeout time.Duration `koanf:"stop_timeout"`

	// LogLevel is the least level that is logged: "debug", "info", "warn" or "error".
	LogLevel string `koanf:"log_level"`

	// LogFormat is "text" or "json".
	LogFormat string `koanf:"log_format"`
}

// BlockDir is a directory for the content of large objects.
type BlockDir struct {
	// Path of the directory. It is made at the first start and must be there at every later one.
	Path string `koanf:"path" json:"path"`
	// Capacity is the most that the directory may hold, in bytes; 0 is the whole file system.
	Capacity Size `koanf:"capacity" json:"capacity"`
}

// Bounds of settings.
const (
	// MemoryMin is the least budget that a node works within.
	MemoryMin = 96 << 20
	// BlockDirsMax is the largest number of block directories.
	BlockDirsMax = 64
)

// Default is the configuration of a node that was told nothing. getenv looks up environment variables, uid is that of the process.
func Default(getenv func(string) string, uid int) Config {
	return Config{
		DataDir:     defaultDataDir(getenv, uid),
		S3Listen:    ":3900",
		RPCListen:   ":3901",
		WebListen:   ":3902",
		AdminListen: "127.0.0.1:3903",
		K2VListen:   ":3904",
		Region:      "grange",
		Compression: "auto",
		Memory:      384 << 20,
		GCGrace:     time.Hour,
		StopTimeout: 30 * time.Second,
		LogLevel:    "info",
		LogFormat:   "text",
	}
}

func defaultDataDir(getenv func(string) string, uid int) string {
	// systemd makes the directory of StateDirectory= and passes its name on.
	if dir := getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if uid == 0 {
		return "/var/lib/grange"
	}
	if dir := getenv("XDG_STATE_HOME"); dir != "" {
		return dir + "/grange"
	}
	if home := getenv("HOME"); home != "" {
		return home + "/.local/share/grange"
	}
	return ""
}
