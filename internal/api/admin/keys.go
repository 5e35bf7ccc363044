package admin

import (
	"net/http"
	"strings"
	"time"

	"grange/internal/access"
	"grange/internal/catalog"
)

var rightBits = []struct {
	right Right
	bit   catalog.Rights
}{
	{ReadRight, catalog.Read},
	{WriteRight, catalog.Write},
	{OwnerRight, catalog.Owner},
}

func toRights(bits catalog.Rights) []Right {
	rights := []Right{}
	for _, row := range rightBits {
		if bits&row.bit != 0 {
			rights = append(rights, row.right)
		}
	}
	return rights
}

func fromRights(rights []Right) (bits catalog.Rights, err error) {
	for _, r := range rights {
		known := false
		for _, row := range rightBits {
			if r == row.right {
				bits, known = bits|row.bit, true
			}
		}
		if !known {
			return 0, invalid("right %q: use read, write or owner", r)
		}
	}
	if bits == 0 {
		return 0, invalid("no rights are named: use read, write or owner")
	}
	return bits, nil
}

func joinRights(rights []Right) string {
	names := make([]string, len(rights))
	for i, r := range rights {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

// toKey shows a key without its secret.
func toKey(v catalog.View, k catalog.AccessKey) (Key, error) {
	account, err := accountName(v, k.Account)
	if err != nil {
		return Key{}, err
	}
	out := Key{
		ID: k.ID, Name: k.Name, Account: account, AccountID: k.Account.String(), Created: k.Created,
		Disabled: k.Disabled, CreateBuckets: k.CreateBuckets, Narrowed: k.Narrowed,
	}
	if !k.Expires.IsZero() {
		out.Expires = &k.Expires
	}
	for _, g := range k.Scope {
		b, err := v.Bucket(g.Bucket)
		if err != nil {
			return Key{}, err
		}
		out.Scope = append(out.Scope, Grant{Bucket: b.Name, Rights: toRights(g.Rights)})
	}
	return out, nil
}

func fromScope(v catalog.View, scope []Grant) ([]catalog.Grant, error) {
	grants := make([]catalog.Grant, 0, len(scope))
	for _, g := range scope {
		b, err := v.BucketByName(g.Bucket)
		if err != nil {
			return nil, err
		}
		rights, err := fromRights(g.Rights)
		if err != nil {
			return nil, err
		}
		grants = append(grants, catalog.Grant{Bucket: b.ID, Rights: rights})
	}
	return grants, nil
}

func (s *Server) listKeys(r *http.Request) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	v, account, err := optionalAccount(r.Context(), s.o.Catalog, r.URL.Query().Get("account"))
	if err != nil {
		return nil, err
	}
	var keys []catalog.AccessKey
	l := KeyList{Keys: []Key{}}
	if account == nil {
		keys, l.Next, err = v.AccessKeys(p)
	} else {
		keys, l.Next, err = v.AccountKeys(*account, p)
	}
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		shown, err := toKey(v, k)
		if err != nil {
			return nil, err
		}
		l.Keys = append(l.Keys, shown)
	}
	return l, nil
}

// keyOptions reads what a new key should be.
func (s *Server) keyOptions(r *http.Request) (n NewKey, o catalog.KeyOptions, err error) {
	if n, err = body[NewKey](r); err != nil {
		return n, o, err
	}
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return n, o, err
	}
	scope, err := fromScope(v, n.Scope)
	o = catalog.KeyOptions{Name: n.Name, Account: n.Account, CreateBuckets: n.CreateBuckets, Narrowed: n.Narrowed, Scope: scope}
	if n.Expires != nil {
		o.Expires = *n.Expires
	}
	return n, o, err
}

// answerKey shows a key as it is after a change.
func (s *Server) answerKey(r *http.Request, k catalog.AccessKey, secret bool) (any, error) {
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return nil, err
	}
	shown, err := toKey(v, k)
	if secret {
		shown.Secret = k.Secret
	}
	return shown, err
}

func (s *Server) createKey(r *http.Request) (any, error) {
	n, o, err := s.keyOptions(r)
	if err != nil {
		return nil, err
	}
	if n.ID != "" || n.Secret != "" {
		return nil, invalid("id and secret are drawn by the node: use /v1/keys/import for a key that exists elsewhere")
	}
	k, err := s.o.Catalog.CreateKey(r.Context(), o)
	if err != nil {
		return nil, err
	}
	return s.answerKey(r, k, true)
}

func (s *Server) importKey(r *http.Request) (any, error) {
	n, o, err := s.keyOptions(r)
	if err != nil {
		return nil, err
	}
	k, _, err := s.o.Catalog.ImportKey(r.Context(), n.ID, n.Secret, o)
	if err != nil {
		return nil, err
	}
	return s.answerKey(r, k, false)
}

func (s *Server) getKey(r *http.Request) (any, error) {
	secret := r.URL.Query().Get("secret") == "true"
	if secret && !s.allowed(r, access.AdminReadSecrets) {
		return nil, errUnauthorized
	}
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return nil, err
	}
	k, err := v.AccessKey(r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return s.answerKey(r, *k, secret)
}

func (s *Server) changeKey(r *http.Request) (any, error) {
	ch, err := body[KeyChange](r)
	if err != nil {
		return nil, err
	}
	u := catalog.KeyUpdate{Name: ch.Name, Disabled: ch.Disabled, CreateBuckets: ch.CreateBuckets, Narrowed: ch.Narrowed}
	if ch.Expires != nil {
		u.Expires = new(laterOrNever(*ch.Expires))
	}
	if ch.Scope != nil {
		v, err := s.o.Catalog.Read(r.Context())
		if err != nil {
			return nil, err
		}
		scope, err := fromScope(v, *ch.Scope)
		if err != nil {
			return nil, err
		}
		u.Scope = &scope
	}
	k, err := s.o.Catalog.UpdateKey(r.Context(), r.PathValue("key"), u)
	if err == nil && ch.RotateSecret {
		k, err = s.o.Catalog.RotateSecret(r.Context(), r.PathValue("key"))
	}
	if err != nil {
		return nil, err
	}
	return s.answerKey(r, k, ch.RotateSecret)
}

// laterOrNever makes the zero time of JSON the zero time of Go, in any zone.
func laterOrNever(t time.Time) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

func (s *Server) deleteKey(r *http.Request) (any, error) {
	return nil, s.o.Catalog.DeleteKey(r.Context(), r.PathValue("key"))
}
