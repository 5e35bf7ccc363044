package bench

import (
	"bytes"
	"context"
	"crypto/md5" // S3 wants it for DeleteObjects
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// errDone ends a worker that has nothing left to do.
var errDone = errors.New("nothing left to do")

// tally is what one worker did of one operation.
type tally struct {
	histogram
	errors int64
	bytes  int64
	keys   int64 // listed
	sample error // the first of the errors
}

// job is what the workers of a run share.
type job struct {
	opts    Options
	id      string       // part of the names of the objects that are put during the run
	deleted atomic.Int64 // objects of the data set that delete has taken
	mix     []Op         // each operation as often as its weight
}

// worker does operations one after the other over one connection.
type worker struct {
	job      *job
	number   int
	conn     *conn
	tallies  map[Op]*tally
	puts     int // objects that it put
	removed  int // of those, that it deleted
	listings []listing
}

// listing is a place in a listing that goes on.
type listing struct{ prefix, token string }

func newWorker(j *job, number int) *worker {
	return &worker{job: j, number: number, conn: newConn(&j.opts), tallies: map[Op]*tally{}}
}

// root is the prefix of all keys of the benchmark.
const root = "grange-bench/"

// dataKey is the key of the i-th object of the data set: a thousand to a directory.
func (j *job) dataKey(i int) string {
	return fmt.Sprintf("%s%06d/%09d", j.dataPrefix(), i/1000, i)
}

func (j *job) dataPrefix() string { return root + "data-" + strconv.FormatInt(j.opts.Size, 10) + "/" }

// putKey is the key of the i-th object that a worker puts during the run.
func (j *job) putKey(worker, i int) string {
	return fmt.Sprintf("%sput-%s/%03d/%09d", root, j.id, worker, i)
}

// loop does op until stop says so. What it did since the last reset is in its tallies.
func (w *worker) loop(ctx context.Context, op Op, stop func() bool) error {
	failures := 0
	for !stop() && ctx.Err() == nil {
		one := op
		if op == Mixed {
			one = w.pick()
		}
		begin := time.Now()
		n, keys, err := w.do(ctx, one)
		if errors.Is(err, errDone) {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		w.tally(one).record(time.Since(begin), n, keys, err)
		if err == nil {
			failures = 0
			continue
		}
		failures++
		pause(ctx, failures)
	}
	return ctx.Err()
}

// pick draws the next operation of a mixed run. What there is nothing to delete for, puts.
func (w *worker) pick() Op {
	op := w.job.mix[rand.IntN(len(w.job.mix))]
	if op == Delete && w.removed == w.puts {
		return Put
	}
	return op
}

// pause keeps a store that fails from being asked without end.
func pause(ctx context.Context, failures int) {
	t := time.NewTimer(min(time.Duration(failures)*10*time.Millisecond, time.Second))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (w *worker) tally(op Op) *tally {
	t := w.tallies[op]
	if t == nil {
		t = &tally{}
		w.tallies[op] = t
	}
	return t
}

func (t *tally) record(d time.Duration, n, keys int64, err error) {
	if err != nil {
		t.errors++
		if t.sample == nil {
			t.sample = err
		}
		return
	}
	t.add(d)
	t.bytes += n
	t.keys += keys
}

// do is one operation; it returns the bytes of content that were moved and the keys that were listed.
func (w *worker) do(ctx context.Context, op Op) (n, keys int64, err error) {
	switch op {
	case Put:
		err = w.put(ctx, w.job.putKey(w.number, w.puts))
		w.puts++
		return w.job.opts.Size, 0, err
	case Get:
		n, err = w.get(ctx, http.MethodGet)
		return n, 0, err
	case Head:
		_, err = w.get(ctx, http.MethodHead)
		return 0, 0, err
	case List:
		keys, err = w.list(ctx)
		return 0, keys, err
	case Delete:
		return 0, 0, w.delete(ctx)
	default:
		return 0, 0, fmt.Errorf("operation %q is not one request", op)
	}
}

func (w *worker) put(ctx context.Context, key string) error {
	if o := &w.job.opts; o.PartSize > 0 && o.Size > o.PartSize {
		return w.putParts(ctx, key)
	}
	_, _, _, err := w.conn.do(ctx, request{method: http.MethodPut, key: key, size: w.job.opts.Size}, false)
	return err
}

// putParts is a multipart upload, its parts one after the other.
func (w *worker) putParts(ctx context.Context, key string) error {
	body, _, _, err := w.conn.do(ctx, request{method: http.MethodPost, key: key, query: url.Values{"uploads": {""}}}, true)
	if err != nil {
		return err
	}
	var created struct {
		UploadID string `xml:"UploadId"`
	}
	if err := xml.Unmarshal(body, &created); err != nil {
		return fmt.Errorf("read the answer to CreateMultipartUpload: %w", err)
	}
	var complete strings.Builder
	complete.WriteString("<CompleteMultipartUpload>")
	o := &w.job.opts
	for number, rest := 1, o.Size; rest > 0; number++ {
		size := min(rest, o.PartSize)
		query := url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {created.UploadID}}
		_, _, header, err := w.conn.do(ctx, request{method: http.MethodPut, key: key, query: query, size: size}, false)
		if err != nil {
			return err
		}
		fmt.Fprintf(&complete, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number, html.EscapeString(header.Get("Etag")))
		rest -= size
	}
	complete.WriteString("</CompleteMultipartUpload>")
	answer, _, _, err := w.conn.do(ctx, request{
		method: http.MethodPost, key: key, query: url.Values{"uploadId": {created.UploadID}}, body: []byte(complete.String()),
	}, true)
	if err == nil && !bytes.Contains(answer, []byte("CompleteMultipartUploadResult")) {
		err = statusError(http.StatusOK, answer) // S3 may report a failure after the status was sent
	}
	return err
}

func (w *worker) get(ctx context.Context, method string) (int64, error) {
	o := &w.job.opts
	key := w.job.dataKey(rand.IntN(o.Objects))
	_, n, header, err := w.conn.do(ctx, request{method: method, key: key}, false)
	if err != nil {
		return n, err
	}
	if method == http.MethodHead {
		n, _ = strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	}
	if n != o.Size {
		return n, fmt.Errorf("got %d bytes of %s, want %d", n, key, o.Size)
	}
	return n, nil
}

// delete takes the next object of the data set, or in a mixed run one that the worker put itself.
func (w *worker) delete(ctx context.Context) error {
	var key string
	if w.job.opts.Op == Mixed {
		key = w.job.putKey(w.number, w.removed)
		w.removed++
	} else {
		i := w.job.deleted.Add(1) - 1
		if i >= int64(w.job.opts.Objects) {
			return errDone
		}
		key = w.job.dataKey(int(i))
	}
	_, _, _, err := w.conn.do(ctx, request{method: http.MethodDelete, key: key}, false)
	return err
}

// list asks for the next page of the listing of the data set, from the beginning again after the last.
func (w *worker) list(ctx context.Context) (keys int64, err error) {
	if len(w.listings) == 0 {
		w.listings = []listing{{prefix: w.job.dataPrefix()}}
	}
	at := w.listings[len(w.listings)-1]
	query := url.Values{"list-type": {"2"}, "prefix": {at.prefix}, "max-keys": {"1000"}}
	if w.job.opts.Delimiter {
		query.Set("delimiter", "/")
	}
	if at.token != "" {
		query.Set("continuation-token", at.token)
	}
	body, _, _, err := w.conn.do(ctx, request{method: http.MethodGet, query: query}, true)
	if err != nil {
		return 0, err
	}
	page := readPage(body)
	w.listings = w.listings[:len(w.listings)-1]
	if page.next != "" {
		w.listings = append(w.listings, listing{at.prefix, page.next})
	}
	for _, p := range page.prefixes {
		w.listings = append(w.listings, listing{prefix: p})
	}
	return page.keys + int64(len(page.prefixes)), nil
}

// page is what matters of a page of a listing.
type page struct {
	keys     int64
	prefixes []string
	next     string // token of the next page, empty on the last
}

// readPage finds it without a whole XML parser, which would cost more than the store needs to make the page.
func readPage(body []byte) page {
	p := page{keys: int64(bytes.Count(body, []byte("<Contents>")))}
	if next, _, ok := between(body, "<NextContinuationToken>", "</NextContinuationToken>"); ok {
		p.next = next
	}
	for rest := body; ; {
		_, after, ok := bytes.Cut(rest, []byte("<CommonPrefixes>"))
		if !ok {
			return p
		}
		prefix, tail, ok := between(after, "<Prefix>", "</Prefix>")
		if !ok {
			return p
		}
		p.prefixes, rest = append(p.prefixes, prefix), tail
	}
}

func between(b []byte, begin, end string) (text string, rest []byte, ok bool) {
	_, b, ok = bytes.Cut(b, []byte(begin))
	if !ok {
		return "", nil, false
	}
	inner, rest, ok := bytes.Cut(b, []byte(end))
	return html.UnescapeString(string(inner)), rest, ok
}

// deleteMany is DeleteObjects of up to 1,000 keys; missing ones are no error.
func (w *worker) deleteMany(ctx context.Context, keys []string) error {
	var b bytes.Buffer
	b.WriteString("<Delete><Quiet>true</Quiet>")
	for _, key := range keys {
		b.WriteString("<Object><Key>" + key + "</Key></Object>")
	}
	b.WriteString("</Delete>")
	sum := md5.Sum(b.Bytes())
	_, _, _, err := w.conn.do(ctx, request{
		method: http.MethodPost, query: url.Values{"delete": {""}}, body: b.Bytes(),
		header: "Content-MD5: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\nContent-Type: application/xml\r\n",
	}, true)
	return err
}
