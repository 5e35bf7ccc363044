package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrUnreachable reports that no node answers at the address.
var ErrUnreachable = errors.New("admin: node is not reachable")

// answerMax bounds what a client reads of an answer, in bytes.
const answerMax = 64 << 20

// Client speaks to the admin API of one node. Its methods return *Error for what the node refused, and ErrUnreachable
// when it did not answer.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient is a client of the node whose API is at base, such as http://127.0.0.1:3903.
func NewClient(base, token string) *Client {
	return &Client{base: base, token: token, http: &http.Client{Timeout: 2 * time.Minute}}
}

// Base is the address that the client speaks to.
func (c *Client) Base() string { return c.base }

// call does one request. in is sent as JSON unless it is nil; out is filled from the answer unless it is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if resp.StatusCode >= 300 {
		return answered(resp, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

func answered(resp *http.Response, raw []byte) error {
	e := &Error{}
	if err := json.Unmarshal(raw, e); err != nil || e.Code == "" {
		return fmt.Errorf("%s answered %s, which is no answer of grange", resp.Request.URL.Host, resp.Status)
	}
	return e
}

// Status asks how the node is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, nil, &s)
}

// CreateAccount makes an account.
func (c *Client) CreateAccount(ctx context.Context, n NewAccount) (a Account, err error) {
	return a, c.call(ctx, http.MethodPost, "/v1/accounts", nil, n, &a)
}

// Account looks up an account by name or canonical id.
func (c *Client) Account(ctx context.Context, account string) (a Account, err error) {
	return a, c.call(ctx, http.MethodGet, "/v1/accounts/"+url.PathEscape(account), nil, nil, &a)
}

// Accounts lists all accounts.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	return pages(func(after string) ([]Account, string, error) {
		var l AccountList
		err := c.call(ctx, http.MethodGet, "/v1/accounts", url.Values{"after": {after}}, nil, &l)
		return l.Accounts, l.Next, err
	})
}

// ChangeAccount changes an account.
func (c *Client) ChangeAccount(ctx context.Context, account string, ch AccountChange) (a Account, err error) {
	return a, c.call(ctx, http.MethodPatch, "/v1/accounts/"+url.PathEscape(account), nil, ch, &a)
}

// DeleteAccount deletes an account that has neither buckets nor keys.
func (c *Client) DeleteAccount(ctx context.Context, account string) error {
	return c.call(ctx, http.MethodDelete, "/v1/accounts/"+url.PathEscape(account), nil, nil, nil)
}

// CreateKey makes a key; the answer has its secret.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (k Key, err error) {
	return k, c.call(ctx, http.MethodPost, "/v1/keys", nil, n, &k)
}

// ImportKey takes over a key that was made elsewhere.
func (c *Client) ImportKey(ctx context.Context, n NewKey) (k Key, err error) {
	return k, c.call(ctx, http.MethodPost, "/v1/keys/import", nil, n, &k)
}

// Key looks up a key, with its secret if that is wanted.
func (c *Client) Key(ctx context.Context, key string, secret bool) (k Key, err error) {
	return k, c.call(ctx, http.MethodGet, "/v1/keys/"+url.PathEscape(key), url.Values{"secret": {strconv.FormatBool(secret)}}, nil, &k)
}

// Keys lists the keys of an account, or all when it is empty.
func (c *Client) Keys(ctx context.Context, account string) ([]Key, error) {
	return pages(func(after string) ([]Key, string, error) {
		var l KeyList
		err := c.call(ctx, http.MethodGet, "/v1/keys", url.Values{"account": {account}, "after": {after}}, nil, &l)
		return l.Keys, l.Next, err
	})
}

// ChangeKey changes a key; the answer has the secret if it was changed.
func (c *Client) ChangeKey(ctx context.Context, key string, ch KeyChange) (k Key, err error) {
	return k, c.call(ctx, http.MethodPatch, "/v1/keys/"+url.PathEscape(key), nil, ch, &k)
}

// DeleteKey deletes a key; its grants on buckets go with it.
func (c *Client) DeleteKey(ctx context.Context, key string) error {
	return c.call(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(key), nil, nil, nil)
}

// CreateBucket makes a bucket.
func (c *Client) CreateBucket(ctx context.Context, n NewBucket) (b Bucket, err error) {
	return b, c.call(ctx, http.MethodPost, "/v1/buckets", nil, n, &b)
}

// Bucket looks up a bucket with its counts.
func (c *Client) Bucket(ctx context.Context, name string) (b Bucket, err error) {
	return b, c.call(ctx, http.MethodGet, "/v1/buckets/"+url.PathEscape(name), nil, nil, &b)
}

// Buckets lists the buckets of an account, or all when it is empty.
func (c *Client) Buckets(ctx context.Context, account string) ([]Bucket, error) {
	return pages(func(after string) ([]Bucket, string, error) {
		var l BucketList
		err := c.call(ctx, http.MethodGet, "/v1/buckets", url.Values{"account": {account}, "after": {after}}, nil, &l)
		return l.Buckets, l.Next, err
	})
}

// DeleteBucket deletes an empty bucket.
func (c *Client) DeleteBucket(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/v1/buckets/"+url.PathEscape(name), nil, nil, nil)
}

// Grant gives a key rights on a bucket, beside those that it has.
func (c *Client) Grant(ctx context.Context, bucket, key string, rights []Right) (b Bucket, err error) {
	return b, c.call(ctx, http.MethodPost, grantPath(bucket, key), nil, GrantChange{rights}, &b)
}

// Revoke takes rights on a bucket away from a key.
func (c *Client) Revoke(ctx context.Context, bucket, key string, rights []Right) (b Bucket, err error) {
	return b, c.call(ctx, http.MethodDelete, grantPath(bucket, key), url.Values{"rights": {joinRights(rights)}}, nil, &b)
}

func grantPath(bucket, key string) string {
	return "/v1/buckets/" + url.PathEscape(bucket) + "/grants/" + url.PathEscape(key)
}

// SetQuota limits a bucket.
func (c *Client) SetQuota(ctx context.Context, bucket string, q Quota) (b Bucket, err error) {
	return b, c.call(ctx, http.MethodPut, "/v1/buckets/"+url.PathEscape(bucket)+"/quota", nil, q, &b)
}

// Workers lists the workers of the node.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	var l WorkerList
	err := c.call(ctx, http.MethodGet, "/v1/workers", nil, nil, &l)
	return l.Workers, err
}

// WorkerAction is what a worker can be told.
type WorkerAction string

// The actions.
const (
	PauseWorker  WorkerAction = "pause"  // rest until it is resumed, across restarts
	ResumeWorker WorkerAction = "resume" // go on
	RunWorker    WorkerAction = "run"    // begin now instead of when it is due
)

// TellWorker tells a worker what to do.
func (c *Client) TellWorker(ctx context.Context, name string, a WorkerAction) (w Worker, err error) {
	return w, c.call(ctx, http.MethodPost, "/v1/workers/"+url.PathEscape(name)+"/"+string(a), nil, nil, &w)
}

// ChangeWorker changes the settings of a worker.
func (c *Client) ChangeWorker(ctx context.Context, name string, ch WorkerChange) (w Worker, err error) {
	return w, c.call(ctx, http.MethodPatch, "/v1/workers/"+url.PathEscape(name), nil, ch, &w)
}

// pages gathers all pages of a list.
func pages[T any](next func(after string) ([]T, string, error)) (all []T, err error) {
	for after := ""; ; {
		page, more, err := next(after)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if more == "" {
			return all, nil
		}
		after = more
	}
}
