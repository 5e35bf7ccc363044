package bench

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Op is what a worker does over and over.
type Op string

// The operations.
const (
	Put    Op = "put"    // PutObject, or a multipart upload when the size is above PartSize
	Get    Op = "get"    // GetObject of a random object, read to its end
	Head   Op = "head"   // HeadObject of a random object
	List   Op = "list"   // ListObjectsV2, a whole listing page by page
	Delete Op = "delete" // DeleteObject of objects that exist
	Mixed  Op = "mixed"  // a random mixture of the others
)

// Ops are all operations.
var Ops = []Op{Put, Get, Head, List, Delete, Mixed}

// Limits of the options.
const (
	concurrencyMax = 4096
	partSizeMin    = 5 << 20 // S3: "Multipart upload limits"
)

// Options describe a benchmark.
type Options struct {
	Endpoint    string // http:// or https://, host and port
	Region      string // empty: us-east-1
	AccessKey   string
	SecretKey   string
	Bucket      string // empty: grange-bench; made if it does not exist
	VirtualHost bool   // name the bucket in the host and not in the path
	Insecure    bool   // do not check the certificate of the endpoint

	Op          Op
	Size        int64         // of an object, in bytes
	PartSize    int64         // above it, objects are put in parts; 0: never
	Concurrency int           // workers, each with one connection; 0: 8
	Duration    time.Duration // of the measurement; 0: 10 s
	Warmup      time.Duration // before it
	Objects     int           // stored before get, head, list, delete and mixed; 0: as many as the operation needs
	Delimiter   bool          // list directory by directory
	Mix         map[Op]int    // weights of mixed; empty: 60 get, 30 put, 5 list, 5 delete
	SignPayload bool          // sign the hash of the content instead of sending UNSIGNED-PAYLOAD
	Keep        bool          // leave the objects in the bucket, and use those of an earlier run
}

// withDefaults fills a copy.
func (o Options) withDefaults() Options {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Bucket = cmp.Or(o.Bucket, "grange-bench")
	o.Concurrency = cmp.Or(o.Concurrency, 8)
	o.Duration = cmp.Or(o.Duration, 10*time.Second)
	if o.Objects == 0 {
		o.Objects = defaultObjects(o.Op, o.Size)
	}
	if len(o.Mix) == 0 {
		o.Mix = map[Op]int{Get: 60, Put: 30, List: 5, Delete: 5}
	}
	return o
}

// defaultObjects is enough to keep the operation busy, within 1 GiB.
func defaultObjects(op Op, size int64) int {
	want := map[Op]int{Get: 1000, Head: 1000, Mixed: 1000, List: 10_000, Delete: 20_000}[op]
	if fit := (1 << 30) / max(size, 1); int64(want) > fit {
		return int(max(fit, 16))
	}
	return want
}

// validate names the option that cannot be used and the remedy.
func (o Options) validate() error {
	u, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("endpoint %q: write http://host:port", o.Endpoint)
	case o.AccessKey == "" || o.SecretKey == "":
		return errors.New("no access key: give --access-key and --secret-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	case !slices.Contains(Ops, o.Op):
		return fmt.Errorf("operation %q: use one of %v", o.Op, Ops)
	case o.Size < 0:
		return fmt.Errorf("size %d: give a size of 0 or more", o.Size)
	case o.PartSize != 0 && o.PartSize < partSizeMin:
		return fmt.Errorf("part size %d: S3 wants at least 5 MiB", o.PartSize)
	case o.Concurrency < 1 || o.Concurrency > concurrencyMax:
		return fmt.Errorf("concurrency %d: give 1 to %d", o.Concurrency, concurrencyMax)
	case o.Duration < 0 || o.Warmup < 0:
		return errors.New("duration and warm-up cannot be negative")
	case o.Objects < 0:
		return fmt.Errorf("objects %d: give 0 or more", o.Objects)
	}
	return nil
}

// ParseMix reads weights such as "get=60,put=30,delete=10".
func ParseMix(s string) (map[Op]int, error) {
	mix := map[Op]int{}
	for item := range strings.SplitSeq(s, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(item), "=")
		n, err := strconv.ParseUint(weight, 10, 16)
		if err != nil || !slices.Contains(Ops, Op(name)) || Op(name) == Mixed {
			return nil, fmt.Errorf("mix %q: write weights such as get=60,put=30,delete=10", s)
		}
		mix[Op(name)] = int(n)
	}
	return mix, nil
}
