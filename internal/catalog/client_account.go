package catalog

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

// CreateAccount makes an account. It is ErrExists when the name is taken.
func (c *Client) CreateAccount(ctx context.Context, name, description string) (Account, error) {
	a := newAccountID()
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_CreateAccount{
		CreateAccount: &catalogpb.CreateAccount{Id: a[:], Name: name, Description: description},
	}})
	if err != nil {
		return Account{}, err
	}
	return fromAccount(r.GetAccount())
}

func newAccountID() (a id.Account) {
	_, _ = rand.Read(a[:]) // never fails: crypto/rand.Read ends the program instead
	return a
}

// AccountUpdate changes what is not nil.
type AccountUpdate struct {
	Name        *string
	Description *string
}

// UpdateAccount renames or describes an account. It is ErrExists when the name is another account's.
func (c *Client) UpdateAccount(ctx context.Context, a id.Account, u AccountUpdate) (Account, error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_UpdateAccount{
		UpdateAccount: &catalogpb.UpdateAccount{Id: a[:], Name: u.Name, Description: u.Description},
	}})
	if err != nil {
		return Account{}, err
	}
	return fromAccount(r.GetAccount())
}

// DeleteAccount removes an account. It is ErrInUse while it has buckets or keys.
func (c *Client) DeleteAccount(ctx context.Context, a id.Account) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_DeleteAccount{
		DeleteAccount: &catalogpb.DeleteAccount{Id: a[:]},
	}})
}

// KeyOptions say what a new access key is.
type KeyOptions struct {
	Name string // default: the key's id
	// Account is the name of the account that the key acts for; it is made if there is none. Empty: a new account of
	// the key's name, and ErrExists when that name is taken.
	Account       string
	Expires       time.Time // zero: never
	CreateBuckets bool
	Narrowed      bool    // only the buckets in Scope; implied by a Scope
	Scope         []Grant // buckets of the key's account
}

// CreateKey draws a new access key. The result holds its secret.
func (c *Client) CreateKey(ctx context.Context, o KeyOptions) (AccessKey, error) {
	k, _, err := c.createKey(ctx, createKey(newKeyID(), newSecret(), o))
	return k, err
}

// ImportKey enters a key that exists elsewhere. The very same key again (id, secret, account unless empty) changes
// nothing and existed is true; another secret or account under a known id is ErrExists.
func (c *Client) ImportKey(ctx context.Context, keyID, secret string, o KeyOptions) (k AccessKey, existed bool, err error) {
	m := createKey(keyID, secret, o)
	m.Import = true
	return c.createKey(ctx, m)
}

func createKey(keyID, secret string, o KeyOptions) *catalogpb.CreateKey {
	a := newAccountID()
	return &catalogpb.CreateKey{
		Id: keyID, Secret: secret, Name: o.Name, Account: o.Account, NewAccount: a[:], ExpiresMs: millis(o.Expires),
		CreateBuckets: o.CreateBuckets, Narrowed: o.Narrowed, Scope: toScope(o.Scope),
	}
}

func (c *Client) createKey(ctx context.Context, m *catalogpb.CreateKey) (k AccessKey, existed bool, err error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_CreateKey{CreateKey: m}})
	if err != nil {
		return AccessKey{}, false, err
	}
	k, err = fromAccessKey(r.GetKey())
	return k, r.GetExisted(), err
}

// newKeyID draws an id of the form that AWS gives: 20 capital letters and digits.
func newKeyID() string { return "GR" + strings.ToUpper(randomText(18)) }

// newSecret draws 200 bits, as 40 letters and digits: as long as AWS's, without the '+' and '/' that people lose.
func newSecret() string { return randomText(40) }

func randomText(n int) string {
	raw := make([]byte, n*5/8+1)
	_, _ = rand.Read(raw) // never fails: crypto/rand.Read ends the program instead
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))[:n]
}

// KeyUpdate changes what is not nil.
type KeyUpdate struct {
	Name          *string
	Disabled      *bool
	Expires       *time.Time // to the zero time: never
	CreateBuckets *bool
	// Scope replaces the scope. The key is narrowed from then on, even with an empty one.
	Scope *[]Grant
	// Narrowed true leaves the key with its scope; false gives it every bucket of its account and drops the scope.
	Narrowed *bool
}

// UpdateKey changes an access key.
func (c *Client) UpdateKey(ctx context.Context, keyID string, u KeyUpdate) (AccessKey, error) {
	m := &catalogpb.UpdateKey{
		Id: keyID, Name: u.Name, Disabled: u.Disabled, CreateBuckets: u.CreateBuckets, Narrowed: u.Narrowed,
	}
	if u.Expires != nil {
		m.ExpiresMs = new(millis(*u.Expires))
	}
	if u.Scope != nil {
		m.Scope = &catalogpb.Scope{Grants: toScope(*u.Scope)}
	}
	return c.updateKey(ctx, m)
}

// RotateSecret draws a new secret for a key; the old one holds no longer.
func (c *Client) RotateSecret(ctx context.Context, keyID string) (AccessKey, error) {
	return c.updateKey(ctx, &catalogpb.UpdateKey{Id: keyID, Secret: new(newSecret())})
}

func (c *Client) updateKey(ctx context.Context, m *catalogpb.UpdateKey) (AccessKey, error) {
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_UpdateKey{UpdateKey: m}})
	if err != nil {
		return AccessKey{}, err
	}
	return fromAccessKey(r.GetKey())
}

// DeleteKey removes an access key and all that was granted to it.
func (c *Client) DeleteKey(ctx context.Context, keyID string) error {
	return c.do(ctx, &catalogpb.Command{Change: &catalogpb.Command_DeleteKey{
		DeleteKey: &catalogpb.DeleteKey{Id: keyID},
	}})
}

// FirstStart is what a new store is given by its environment.
type FirstStart struct {
	KeyID, Secret string
	Account       string // default: a new account of the key's id
	Bucket        string // default: none
}

// EnsureKeyAndBucket imports a key that may create buckets and makes a bucket of its account, in one step and only
// once for the same key id and bucket: what was deleted since stays deleted. It tells whether it happened before.
func (c *Client) EnsureKeyAndBucket(ctx context.Context, f FirstStart) (before bool, err error) {
	key := createKey(f.KeyID, f.Secret, KeyOptions{Account: f.Account, CreateBuckets: true})
	key.Import = true
	r, err := c.propose(ctx, &catalogpb.Command{Change: &catalogpb.Command_Ensure{
		Ensure: &catalogpb.Ensure{Key: key, Bucket: f.Bucket},
	}})
	return r.GetExisted(), err
}

const masked = "(masked)"

// String describes the key without its secret.
func (k AccessKey) String() string { return k.LogValue().String() }

// Format writes String for every verb of package fmt, so that none shows the secret.
func (k AccessKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is the key for a log, without its secret.
func (k AccessKey) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", k.ID),
		slog.String("secret", masked),
		slog.String("name", k.Name),
		slog.String("account", k.Account.String()),
		slog.Bool("disabled", k.Disabled),
		slog.Bool("narrowed", k.Narrowed),
	)
}
