package s3

import (
	"net"
	"strings"

	"grange/internal/index"
)

// level is what a request is about.
type level int

const (
	service level = iota
	bucket
	object
)

// findPlace finds the bucket and the key that the request names, by its host and its path. The path was decoded once, when the request
// was authenticated; nothing is cleaned, since keys may hold anything.
func (c *call) findPlace() error {
	path, ok := strings.CutPrefix(c.auth.Path, "/")
	if !ok {
		return fail(InvalidURI)
	}
	if name := c.server.hostBucket(c.r.Host); name != "" {
		c.bucketName, c.object = name, path
	} else {
		c.bucketName, c.object, _ = strings.Cut(path, "/")
		if c.bucketName == "" && path != "" {
			return fail(InvalidBucketName)
		}
	}
	if len(c.object) > index.KeyMax {
		return keyTooLong(c.object)
	}
	if c.bucketName != "" && !plausibleBucketName(c.bucketName) {
		return fail(InvalidBucketName)
	}
	return nil
}

func keyTooLong(key string) *Error {
	return fail(KeyTooLong).with("Size", itoa(len(key))).with("MaxSizeAllowed", itoa(index.KeyMax))
}

// hostBucket is the bucket that a virtual-host style request names; "" for the path style.
func (s *Server) hostBucket(host string) string {
	if len(s.rootDomains) == 0 {
		return ""
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, root := range s.rootDomains {
		if host == root[1:] {
			return ""
		}
		if name, ok := strings.CutSuffix(host, root); ok {
			return name
		}
	}
	return ""
}

// plausibleBucketName tells a name from garbage. The catalog holds the full rules, for those who create buckets.
func plausibleBucketName(name string) bool {
	if len(name) < 3 || len(name) > 255 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func (c *call) level() level {
	switch {
	case c.bucketName == "":
		return service
	case c.object == "":
		return bucket
	default:
		return object
	}
}
