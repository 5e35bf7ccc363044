package catalog

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

func (t *tx) createKey(c *catalogpb.CreateKey) (*catalogpb.Result, error) {
	k, existed, err := t.newKey(c)
	if err != nil {
		return nil, err
	}
	return &catalogpb.Result{Existed: existed, Key: toAccessKey(k)}, nil
}

// newKey sets the records of a key, and of its account when it has to be made. An import of what is there already
// changes nothing.
func (t *tx) newKey(c *catalogpb.CreateKey) (k AccessKey, existed bool, err error) {
	old, err := t.accessKey(c.GetId())
	if exists, err := found(err); err != nil {
		return k, false, err
	} else if exists {
		return old, true, t.sameImport(old, c)
	}
	k = AccessKey{
		ID: c.GetId(), Secret: c.GetSecret(), Name: cmp.Or(c.GetName(), c.GetId()), Created: t.now,
		Expires: fromMillis(c.GetExpiresMs()), CreateBuckets: c.GetCreateBuckets(), Narrowed: c.GetNarrowed(),
	}
	for _, err := range []error{validKeyID(k.ID), validSecret(k.Secret), validName("key", k.Name)} {
		if err != nil {
			return k, false, err
		}
	}
	a, err := t.accountForKey(c, k.Name)
	if err != nil {
		return k, false, err
	}
	k.Account = a.ID
	if err := t.setScope(&k, fromScope(c.GetScope())); err != nil {
		return k, false, err
	}
	t.set(t.keyKey(k.ID), toAccessKey(k))
	t.mark(t.accountKeyKey(k.Account, k.ID))
	return k, false, nil
}

// sameImport refuses a key whose id is taken, unless it is the very same one, imported again.
func (t *tx) sameImport(old AccessKey, c *catalogpb.CreateKey) error {
	taken := refuse(ErrExists, "access key %q", old.ID)
	if !c.GetImport() || old.Secret != c.GetSecret() {
		return taken
	}
	if c.GetAccount() == "" {
		return nil
	}
	a, err := t.account(old.Account)
	if err != nil {
		return err
	}
	if a.Name != c.GetAccount() {
		return taken
	}
	return nil
}

// accountForKey is the account that a new key acts for: the named one, made if need be. Without a name a new account
// is made for the key; one that happens to have the key's name is not taken, since its buckets would come along.
func (t *tx) accountForKey(c *catalogpb.CreateKey, keyName string) (Account, error) {
	name := cmp.Or(c.GetAccount(), keyName)
	a, err := t.accountByName(name)
	exists, err := found(err)
	switch {
	case err != nil:
		return a, err
	case !exists:
		return t.newAccount(c.GetNewAccount(), name, "")
	case c.GetAccount() == "":
		return a, refuse(ErrExists, "account %q: name it, should the key act for it, or choose another name for the key", name)
	}
	return a, nil
}

// setScope gives k the scope, sorted and with one grant per bucket, and sets the marks that lead from the buckets to
// the key. k.Scope holds the scope before.
func (t *tx) setScope(k *AccessKey, scope []Grant) error {
	merged, err := mergeScope(scope)
	if err != nil {
		return err
	}
	for _, g := range k.Scope {
		if !scopeHas(merged, g.Bucket) {
			t.delete(t.bucketScopeKey(g.Bucket, k.ID))
		}
	}
	for _, g := range merged {
		if scopeHas(k.Scope, g.Bucket) {
			continue
		}
		b, err := t.bucket(g.Bucket)
		if err != nil {
			return err
		}
		if b.Account != k.Account {
			return refuse(ErrInvalid, "scope of key %q: bucket %q belongs to another account, which may grant rights on it", k.ID, b.Name)
		}
		if err := t.markScope(g.Bucket, k.ID); err != nil {
			return err
		}
	}
	k.Scope = merged
	k.Narrowed = k.Narrowed || len(merged) > 0
	return nil
}

func (t *tx) markScope(b id.Bucket, keyID string) error {
	if err := t.room(t.key(tableBucketScopes, number(uint64(b))), GrantsMax, fmt.Sprintf("keys name bucket number %d in their scope", b)); err != nil {
		return err
	}
	t.mark(t.bucketScopeKey(b, keyID))
	return nil
}

func scopeHas(scope []Grant, b id.Bucket) bool {
	return slices.ContainsFunc(scope, func(g Grant) bool { return g.Bucket == b })
}

func mergeScope(scope []Grant) ([]Grant, error) {
	if len(scope) > GrantsMax {
		return nil, refuse(ErrLimit, "a scope of %d buckets: at most %d", len(scope), GrantsMax)
	}
	var merged []Grant
	for _, g := range scope {
		if err := validRights(g.Rights); err != nil {
			return nil, err
		}
		i, ok := slices.BinarySearchFunc(merged, g.Bucket, func(g Grant, b id.Bucket) int { return cmp.Compare(g.Bucket, b) })
		if ok {
			merged[i].Rights |= g.Rights
		} else {
			merged = slices.Insert(merged, i, g)
		}
	}
	return merged, nil
}

func validRights(r Rights) error {
	if r == 0 || r&^AllRights != 0 {
		return refuse(ErrInvalid, "rights %#x: must be some of read, write and owner", uint8(r))
	}
	return nil
}

func (t *tx) updateKey(c *catalogpb.UpdateKey) (*catalogpb.Result, error) {
	k, err := t.accessKey(c.GetId())
	if err != nil {
		return nil, err
	}
	setIf(&k.Name, c.Name)
	setIf(&k.Secret, c.Secret)
	setIf(&k.Disabled, c.Disabled)
	setIf(&k.CreateBuckets, c.CreateBuckets)
	setIf(&k.Narrowed, c.Narrowed)
	if c.ExpiresMs != nil {
		k.Expires = fromMillis(c.GetExpiresMs())
	}
	for _, err := range []error{validName("key", k.Name), validSecret(k.Secret)} {
		if err != nil {
			return nil, err
		}
	}
	if err := t.updateScope(&k, c); err != nil {
		return nil, err
	}
	t.set(t.keyKey(k.ID), toAccessKey(k))
	return &catalogpb.Result{Key: toAccessKey(k)}, nil
}

// updateScope widens a key only when it is said in so many words: an empty scope alone leaves it with no bucket.
func (t *tx) updateScope(k *AccessKey, c *catalogpb.UpdateKey) error {
	widen := c.Narrowed != nil && !c.GetNarrowed()
	switch {
	case widen && len(c.GetScope().GetGrants()) > 0:
		return refuse(ErrInvalid, "key %q: a key with a scope is narrowed", k.ID)
	case widen:
		return t.setScope(k, nil)
	case c.Scope != nil:
		k.Narrowed = true
		return t.setScope(k, fromScope(c.GetScope().GetGrants()))
	}
	return nil
}

// deleteKey removes a key, its scope and what buckets of other accounts granted to it: a key that is imported later
// under the same id does not get them back.
func (t *tx) deleteKey(c *catalogpb.DeleteKey) (*catalogpb.Result, error) {
	k, err := t.accessKey(c.GetId())
	if err != nil {
		return nil, err
	}
	for _, g := range k.Scope {
		t.delete(t.bucketScopeKey(g.Bucket, k.ID))
	}
	granted, err := t.names(t.keyGrantPrefix(k.ID), GrantsMax)
	if err != nil {
		return nil, err
	}
	for _, raw := range granted {
		b, err := t.bucket(id.Bucket(binary.BigEndian.Uint64([]byte(raw))))
		if err != nil {
			return nil, fmt.Errorf("grant to key %q: %w", k.ID, err)
		}
		b.Grants = slices.DeleteFunc(b.Grants, func(g KeyGrant) bool { return g.AccessKeyID == k.ID })
		t.set(t.bucketKey(b.ID), toBucket(b))
		t.delete(t.keyGrantKey(k.ID, b.ID))
	}
	t.delete(t.keyKey(k.ID))
	t.delete(t.accountKeyKey(k.Account, k.ID))
	return done()
}

func (t *tx) keyGrantPrefix(keyID string) []byte {
	return t.key(tableKeyGrants, []byte(keyID), []byte{0})
}
