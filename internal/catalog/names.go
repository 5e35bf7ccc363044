package catalog

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what the catalog stores.
const (
	// NameMax is the longest name of an account, a key or a setting, in bytes.
	NameMax = 128
	// SecretMax is the longest secret of an access key, in bytes.
	SecretMax = 256
	// GrantsMax is how many grants a bucket, and how many buckets a key's scope, may have; and how many grants on
	// buckets of other accounts a key may have. It bounds the work of deleting either.
	GrantsMax = 1000
	// DocumentMax is the largest configuration document of a bucket, in bytes.
	DocumentMax = 256 << 10
	// DocumentsMax is how many configuration documents a bucket may have.
	DocumentsMax = 64
	// SettingMax is the largest value of a setting, in bytes.
	SettingMax = 64 << 10
	// NodesMax is how many nodes a cluster may have.
	NodesMax = 4096
	// GroupsMax is how many consensus groups a cluster may have.
	GroupsMax = 4096
	// LayoutsMax is how many layouts are kept: the current one and those that blocks are still moved away from.
	LayoutsMax = 8
	// PageMax is the most entries that one page of a list has, and the number when none was asked for.
	PageMax = 1000
)

const textMax = 1024 // of descriptions, addresses and the like, in bytes

// ValidBucketName checks a name against the rules of S3 ("General purpose bucket naming rules"): 3 to 63 lower-case
// letters, digits, dots and hyphens, as a host name has them, and nothing that reads as an IP address or that S3's
// clients send elsewhere by its prefix or suffix. The error is ErrInvalid and says which rule was broken.
func ValidBucketName(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return refuse(ErrInvalid, "bucket name %q: must have 3 to 63 characters", shorten(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := validLabel(name, label); err != nil {
			return err
		}
	}
	if _, err := netip.ParseAddr(name); err == nil || looksLikeIPv4(name) {
		return refuse(ErrInvalid, "bucket name %q: must not look like an IP address", name)
	}
	for _, prefix := range []string{"xn--", "sthree-"} {
		if strings.HasPrefix(name, prefix) {
			return refuse(ErrInvalid, "bucket name %q: must not begin with %q", name, prefix)
		}
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, suffix) {
			return refuse(ErrInvalid, "bucket name %q: must not end with %q", name, suffix)
		}
	}
	return nil
}

// validLabel checks what stands between two dots: a label of a host name (RFC 1123 §2.1).
func validLabel(name, label string) error {
	if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
		return refuse(ErrInvalid, "bucket name %q: must begin and end, also next to a dot, with a letter or a digit", name)
	}
	for i := range len(label) {
		if c := label[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return refuse(ErrInvalid, "bucket name %q: only lower-case letters, digits, dots and hyphens", name)
		}
	}
	return nil
}

// looksLikeIPv4 also finds forms such as 192.168.5.004 and 999.1.1.1, which netip refuses but S3 takes for addresses.
func looksLikeIPv4(name string) bool {
	return strings.Count(name, ".") == 3 && strings.Trim(name, "0123456789.") == ""
}

// validName checks the name of an account, a key or a setting.
func validName(kind, name string) error {
	if name == "" || len(name) > NameMax {
		return refuse(ErrInvalid, "name of %s %q: must have 1 to %d bytes", kind, shorten(name), NameMax)
	}
	if !printable(name) || strings.TrimSpace(name) != name {
		return refuse(ErrInvalid, "name of %s %q: only printable characters, with no space at either end", kind, name)
	}
	return nil
}

// validKeyID checks an access key id. It has no '/' and no space, since it stands in the credential scope of a
// signature (AWS Signature Version 4), and is ASCII, since it stands in headers and URLs.
func validKeyID(s string) error {
	if len(s) < 3 || len(s) > NameMax {
		return refuse(ErrInvalid, "access key id %q: must have 3 to %d characters", shorten(s), NameMax)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '/' || s[i] == ',' {
			return refuse(ErrInvalid, "access key id %q: only printable ASCII without spaces, '/' and ','", s)
		}
	}
	return nil
}

// validSecret checks a secret without ever naming it.
func validSecret(s string) error {
	if s == "" || len(s) > SecretMax || !printable(s) {
		return refuse(ErrInvalid, "secret: must have 1 to %d bytes of printable characters", SecretMax)
	}
	return nil
}

func validText(what, s string) error {
	if len(s) > textMax || !printable(s) {
		return refuse(ErrInvalid, "%s %q: at most %d bytes of printable characters", what, shorten(s), textMax)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func shorten(s string) string {
	if len(s) > NameMax {
		return s[:NameMax] + "…"
	}
	return s
}

// refusal is a refusal by the rules of the catalog: one of the package's errors, and the facts for people.
type refusal struct {
	sentinel error
	facts    string
}

func refuse(sentinel error, format string, args ...any) error {
	return &refusal{sentinel, fmt.Sprintf(format, args...)}
}

// Error is the sentinel's text and the facts.
func (r *refusal) Error() string { return r.sentinel.Error() + ": " + r.facts }

// Unwrap is the sentinel.
func (r *refusal) Unwrap() error { return r.sentinel }
