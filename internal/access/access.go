// Package access decides who may do what. It is the one place of such decisions: every face asks [Decide] before it
// does anything for a client, and goes by nothing else.
//
// # The rules
//
//   - Everything is forbidden that no rule allows.
//   - A key that is disabled or expired may do nothing.
//   - A key has all rights on the buckets of its account. A narrowed key has only the rights in its scope; on buckets
//     of other accounts every key has what they grant to it, and nothing else.
//   - Each action takes one right on its bucket: table.go lists them. The rights do not include each other: a key that
//     may only write cannot read back what it wrote.
//   - Buckets are created by keys with that flag, for their account. A narrowed key that creates a bucket is given all
//     rights on it in its scope, in the step that creates it (catalog.BucketOptions).
//   - Somebody without a key may read what a bucket shows as a website, through the web face, and ask whether the node
//     is well, and nothing else.
//   - What the admin API does is for the administrator, whom no access key can be; the administrator reads and writes
//     objects with a key as everybody does.
//
// The package is pure: no clock, no store, no state. All of it may be used concurrently.
package access

import (
	"time"

	"grange/internal/catalog"
)

// Request is a question: may this be done? Of Key, Anonymous and Admin exactly one is set, else nothing is allowed.
type Request struct {
	Key       *catalog.AccessKey // who asks, after the signature was checked
	Anonymous bool               // nobody signed
	Admin     bool               // the administrator, after the token or the local socket was checked
	Action    Action
	Bucket    *catalog.Bucket // what it is about; nil where the action names none
	Object    string          // key of the object, when the action is about one
	Now       time.Time       // for the expiry of keys
}

// Decision is the answer.
type Decision struct {
	Allowed bool
	Reason  string // a constant phrase, for logs and for the message of a refusal
}

// The reasons of decisions.
const (
	ReasonNotIdentified  = "it is not clear who asks"
	ReasonUnknownAction  = "no rule for the action"
	ReasonDisabled       = "the access key is disabled"
	ReasonExpired        = "the access key has expired"
	ReasonAnonymous      = "the action takes an access key"
	ReasonNotAdmin       = "the action is the administrator's"
	ReasonAdminOnly      = "the administrator needs an access key for it"
	ReasonNoBucket       = "there is no bucket to decide about"
	ReasonNoRight        = "the access key has no right to it on the bucket"
	ReasonNotCreator     = "the access key may not create buckets"
	ReasonNoWebsite      = "the bucket is not shown as a website"
	ReasonAnyone         = "anyone"
	ReasonAdmin          = "administrator"
	ReasonKey            = "any valid access key"
	ReasonRight          = "right on the bucket"
	ReasonCreator        = "the access key may create buckets"
	ReasonWebsite        = "the bucket is shown as a website"
	websiteConfiguration = "website" // the document that makes a bucket a website
)

// Decide answers a request.
func Decide(r Request) Decision {
	who := 0
	for _, is := range []bool{r.Key != nil, r.Anonymous, r.Admin} {
		if is {
			who++
		}
	}
	if who != 1 {
		return no(ReasonNotIdentified)
	}
	if r.Key != nil {
		if reason, ok := usable(r.Key, r.Now); !ok {
			return no(reason)
		}
	}
	switch n := needs[r.Action]; {
	case n == unknown:
		return no(ReasonUnknownAction)
	case n == anyone:
		return yes(ReasonAnyone)
	case n == website:
		return decideWebsite(r)
	case n == administrator:
		return either(r.Admin, ReasonAdmin, ReasonNotAdmin)
	case r.Admin:
		return no(ReasonAdminOnly)
	case r.Anonymous:
		return no(ReasonAnonymous)
	case n == anyKey:
		return yes(ReasonKey)
	case n == toCreateBuckets:
		return either(r.Key.CreateBuckets, ReasonCreator, ReasonNotCreator)
	case r.Bucket == nil:
		return no(ReasonNoBucket)
	default:
		return either(Rights(r.Key, r.Bucket)&rightOf[n] != 0, ReasonRight, ReasonNoRight)
	}
}

var rightOf = map[need]catalog.Rights{toRead: catalog.Read, toWrite: catalog.Write, toOwn: catalog.Owner}

func decideWebsite(r Request) Decision {
	if r.Bucket == nil {
		return no(ReasonNoBucket)
	}
	_, shown := r.Bucket.Config[websiteConfiguration]
	return either(shown, ReasonWebsite, ReasonNoWebsite)
}

// Usable tells whether a key may be used at all at the given time.
func Usable(k *catalog.AccessKey, now time.Time) bool {
	_, ok := usable(k, now)
	return ok
}

func usable(k *catalog.AccessKey, now time.Time) (reason string, ok bool) {
	switch {
	case k.Disabled:
		return ReasonDisabled, false
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return ReasonExpired, false
	}
	return "", true
}

// Rights are those that a usable key has on a bucket. A list of buckets shows the ones on which they are not none.
func Rights(k *catalog.AccessKey, b *catalog.Bucket) catalog.Rights {
	if k.Account == b.Account && !k.Narrowed && len(k.Scope) == 0 {
		return catalog.AllRights
	}
	var rights catalog.Rights
	if k.Account == b.Account {
		for _, g := range k.Scope {
			if g.Bucket == b.ID {
				rights |= g.Rights
			}
		}
		return rights
	}
	for _, g := range b.Grants {
		if g.AccessKeyID == k.ID {
			rights |= g.Rights
		}
	}
	return rights
}

func yes(reason string) Decision { return Decision{Allowed: true, Reason: reason} }
func no(reason string) Decision  { return Decision{Reason: reason} }

func either(ok bool, allowed, refused string) Decision {
	if ok {
		return yes(allowed)
	}
	return no(refused)
}
