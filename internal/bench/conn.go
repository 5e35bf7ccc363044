package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"grange/internal/s3sign"
)

const (
	dialTimeout    = 10 * time.Second
	requestTimeout = 2 * time.Minute
	smallBodyMax   = 8 << 20 // of an answer that is kept: a page of a listing, or an error
)

// StatusError is an answer that reports a failure.
type StatusError struct {
	Status  int
	Code    string // S3's, or empty
	Message string
}

// Error shows the status and S3's code and message.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s %s", e.Status, e.Code, e.Message)
}

// request is one S3 request.
type request struct {
	method string
	key    string     // empty: the bucket itself
	query  url.Values // encoded in canonical order by Encode
	header string     // further lines, each ending in "\r\n"
	body   []byte     // or:
	size   int64      // of fresh content
}

// conn is one worker's connection. It belongs to one goroutine. It dials when it must, so that a worker survives a
// restart of the store.
type conn struct {
	opts    *Options
	base    *url.URL
	host    string
	signer  s3sign.Signer
	content *content

	net     net.Conn
	reader  *bufio.Reader
	writer  *bufio.Writer
	scratch []byte
}

func newConn(o *Options) *conn {
	base, _ := url.Parse(o.Endpoint) // validate parsed it
	host := base.Host
	if o.VirtualHost {
		host = o.Bucket + "." + host
	}
	return &conn{
		opts: o, base: base, host: host,
		signer:  s3sign.Signer{AccessKey: o.AccessKey, SecretKey: o.SecretKey, Region: o.Region},
		content: newContent(),
		scratch: make([]byte, 256<<10),
	}
}

func (c *conn) close() {
	if c.net != nil {
		_ = c.net.Close()
		c.net = nil
	}
}

func (c *conn) dial(ctx context.Context) error {
	address := c.base.Host
	if c.base.Port() == "" {
		address = net.JoinHostPort(c.base.Hostname(), map[string]string{"http": "80", "https": "443"}[c.base.Scheme])
	}
	d := &net.Dialer{Timeout: dialTimeout}
	var err error
	if c.base.Scheme == "https" {
		// InsecureSkipVerify is the operator's choice, for a test store with a certificate of its own.
		td := tls.Dialer{NetDialer: d, Config: &tls.Config{InsecureSkipVerify: c.opts.Insecure, NextProtos: []string{"http/1.1"}}}
		c.net, err = td.DialContext(ctx, "tcp", address)
	} else {
		c.net, err = d.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return err
	}
	c.reader = bufio.NewReaderSize(c.net, 64<<10)
	c.writer = bufio.NewWriterSize(c.net, 32<<10)
	return nil
}

// do sends r and reads the answer: its body is returned when keep is set, else read and counted. After an error other
// than a [StatusError] the connection is closed, and the next request dials again.
func (c *conn) do(ctx context.Context, r request, keep bool) (body []byte, n int64, header http.Header, err error) {
	if c.net == nil {
		if err := c.dial(ctx); err != nil {
			return nil, 0, nil, err
		}
	}
	stop := context.AfterFunc(ctx, c.interrupt(c.net))
	defer stop()
	_ = c.net.SetDeadline(time.Now().Add(requestTimeout))
	resp, err := c.exchange(r) //nolint:bodyclose // readBody closes it
	if err != nil {
		c.close()
		return nil, 0, nil, err
	}
	body, n, err = c.readBody(resp, keep || resp.StatusCode >= 300)
	if err != nil || resp.Close {
		c.close()
	}
	if err == nil && resp.StatusCode >= 300 {
		err = statusError(resp.StatusCode, body)
	}
	return body, n, resp.Header, err
}

// interrupt ends what waits on the connection.
func (c *conn) interrupt(nc net.Conn) func() {
	return func() { _ = nc.SetDeadline(time.Unix(1, 0)) }
}

func (c *conn) exchange(r request) (*http.Response, error) {
	writeErr := c.send(r)
	// A store that refuses a body may answer and close before all of it was sent: the answer says more than the broken pipe.
	resp, err := http.ReadResponse(c.reader, &http.Request{Method: r.method})
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		return nil, err
	}
	if writeErr != nil {
		resp.Close = true
	}
	return resp, nil
}

func (c *conn) send(r request) error {
	path := "/" + s3sign.Escape(r.key, true)
	if !c.opts.VirtualHost {
		path = "/" + c.opts.Bucket + path
		if r.key == "" {
			path = path[:len(path)-1]
		}
	}
	size, payload := int64(len(r.body)), s3sign.UnsignedPayload
	if r.size > 0 {
		size = r.size
	}
	if c.opts.SignPayload {
		payload = c.payloadHash(r)
	}
	query := s3sign.Query(r.query)
	authorization, date := c.signer.Header(r.method, c.host, path, query, payload, time.Now())
	if query != "" {
		path += "?" + query
	}
	for _, part := range []string{
		r.method, " ", path, " HTTP/1.1\r\nHost: ", c.host, "\r\nAuthorization: ", authorization,
		"\r\nX-Amz-Date: ", date, "\r\nX-Amz-Content-Sha256: ", payload, "\r\n", r.header,
	} {
		_, _ = c.writer.WriteString(part) // Flush reports the error
	}
	if r.method == http.MethodPut || r.method == http.MethodPost {
		_, _ = c.writer.WriteString("Content-Length: " + strconv.FormatInt(size, 10) + "\r\n")
	}
	_, _ = c.writer.WriteString("\r\n")
	if r.size > 0 {
		if err := c.content.write(c.writer, r.size); err != nil {
			return err
		}
	}
	_, _ = c.writer.Write(r.body)
	return c.writer.Flush()
}

func (c *conn) payloadHash(r request) string {
	if r.size > 0 {
		return c.content.hash(r.size)
	}
	return s3sign.Hash(r.body)
}

// readBody reads all of the body, so that the connection can be used again.
func (c *conn) readBody(resp *http.Response, keep bool) (body []byte, n int64, err error) {
	defer func() { _ = resp.Body.Close() }()
	if keep {
		body, err = io.ReadAll(io.LimitReader(resp.Body, smallBodyMax))
		if len(body) == smallBodyMax {
			return nil, 0, fmt.Errorf("answer longer than %d bytes", smallBodyMax)
		}
		return body, int64(len(body)), err
	}
	for {
		m, err := resp.Body.Read(c.scratch)
		n += int64(m)
		if err == io.EOF {
			return nil, n, nil
		}
		if err != nil {
			return nil, n, err
		}
	}
}

func statusError(status int, body []byte) error {
	var doc struct{ Code, Message string }
	_ = xml.Unmarshal(body, &doc) // an answer without XML (HEAD, a proxy) has its status only
	return &StatusError{Status: status, Code: doc.Code, Message: doc.Message}
}
