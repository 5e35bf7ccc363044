package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"grange/internal/api/s3"
	"grange/internal/block"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/store"
)

// broken is a backend of which one method fails.
type broken struct {
	s3.Backend
	head func() (*store.Object, error)
}

func (b *broken) Head(context.Context, *catalog.Bucket, string, *id.Version) (*store.Object, error) {
	return b.head()
}

// dial opens a plain connection.
func (w *world) dial(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// write writes a request as it would go over the wire, with as much of its body as is given.
func write(t *testing.T, conn net.Conn, r *http.Request, length int, body string) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.Host, length)
	if err := r.Header.Write(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\r\n" + body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, from *bufio.Reader) reply {
	t.Helper()
	resp, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Close { // http.ReadResponse takes the header away
		resp.Header.Set("Connection", "close")
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

func TestPanicEndsOneRequestAndTheConnectionSurvives(t *testing.T) {
	var backend *broken
	w := newWorld(t, func(o *s3.Options) {
		backend = &broken{Backend: o.Backend, head: func() (*store.Object, error) { panic("a bug of ours") }}
		o.Backend = backend
	})
	w.newBucket("box")
	conn, from := w.dial(t)
	write(t, conn, w.request(query{method: "GET", path: "/box/key"}), 0, "")
	r := read(t, from)
	expect{status: 500, code: "InternalError"}.check(t, r)
	if strings.Contains(r.body, "bug") {
		t.Errorf("the client sees %s", r.body)
	}
	if log := w.log.String(); !strings.Contains(log, "a bug of ours") || !strings.Contains(log, r.element("RequestId")) || !strings.Contains(log, "server_test.go") {
		t.Errorf("the log says %s", log)
	}
	write(t, conn, w.request(query{method: "GET", path: "/box?location"}), 0, "")
	expect{status: 200}.check(t, read(t, from))
}

func TestInternalErrorsAreLoggedOnceAndNotSent(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) {
		o.Backend = &broken{Backend: o.Backend, head: func() (*store.Object, error) { return nil, errors.New("disk on fire") }}
	})
	w.newBucket("box")
	r := w.getObject("/box/key")
	expect{status: 500, code: "InternalError"}.check(t, r)
	if strings.Contains(r.body, "fire") {
		t.Errorf("the client sees %s", r.body)
	}
	if log := w.log.String(); strings.Count(log, "disk on fire") != 1 || !strings.Contains(log, "request_id="+r.element("RequestId")) {
		t.Errorf("the log says %s", log)
	}
}

func TestUnavailableStoreAsksTheClientToRetry(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) {
		o.Backend = &broken{Backend: o.Backend, head: func() (*store.Object, error) { return nil, fmt.Errorf("get: %w", store.ErrUnavailable) }}
	})
	w.newBucket("box")
	expect{status: 503, code: "ServiceUnavailable", header: map[string]string{"Retry-After": "1"}}.check(t, w.getObject("/box/key"))
}

// rotten is a block store whose blocks go bad behind 512 KiB.
type rotten struct{ block.Store }

func (r rotten) ReadAt(ctx context.Context, addr block.Address, dst []byte, off int64) (int, error) {
	if off >= 512<<10 {
		return 0, block.ErrCorrupt
	}
	return r.Store.ReadAt(ctx, addr, dst, off)
}

func TestAnswerThatFailsHalfWayIsShorterThanAnnounced(t *testing.T) {
	w := newWorldOn(t, newParts(t, func(s block.Store) block.Store { return rotten{s} }))
	w.newBucket("box")
	w.putObject("/box/large", strings.Repeat("x", 4<<20))
	resp, err := w.http.Client().Do(w.request(query{method: "GET", path: "/box/large"}))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || resp.ContentLength != 4<<20 {
		t.Errorf("got %d of %d bytes and %v", n, resp.ContentLength, err)
	}
	w.wait("the log", func() bool { return strings.Contains(w.log.String(), "corrupt") })
}

func TestTooManyRequestsAreToldToSlowDown(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(o *s3.Options) {
		o.RequestsMax = 1
		o.Backend = &broken{Backend: o.Backend, head: func() (*store.Object, error) {
			close(entered)
			<-release
			return nil, store.ErrNoObject
		}}
	})
	w.newBucket("box")
	first := w.request(query{method: "GET", path: "/box/key"})
	done := make(chan int, 1)
	go func() {
		resp, err := w.http.Client().Do(first)
		if err != nil {
			done <- 0
			return
		}
		resp.Body.Close()
		done <- resp.StatusCode
	}()
	<-entered
	expect{status: 503, code: "SlowDown"}.check(t, w.do(query{method: "GET", path: "/"}))
	close(release)
	if got := <-done; got != 404 {
		t.Errorf("the first request got %d", got)
	}
	expect{status: 200}.check(t, w.do(query{method: "GET", path: "/"}))
}

func TestBodyThatIsNotWhatWasAnnouncedLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	chunks := func(announced string) map[string]string {
		return map[string]string{
			"X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": announced,
			"X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked",
		}
	}
	trailer := "x-amz-checksum-crc32:" + crc32Text("hello") + "\r\n\r\n"
	cases := map[string]struct {
		header map[string]string
		body   string
		expect
	}{
		"chunks that are shorter":       {chunks("6"), "5\r\nhello\r\n0\r\n" + trailer, expect{status: 400, code: "IncompleteBody"}},
		"chunks that are longer":        {chunks("4"), "5\r\nhello\r\n0\r\n" + trailer, expect{status: 400, code: "IncompleteBody"}},
		"chunks that end early":         {chunks("5"), "5\r\nhel", expect{status: 400, code: "IncompleteBody"}},
		"chunks without an end":         {chunks("5"), "5\r\nhello\r\n", expect{status: 400, code: "IncompleteBody"}},
		"chunks of no size":             {chunks("5"), "x\r\nhello\r\n0\r\n" + trailer, expect{status: 400, code: "InvalidRequest"}},
		"a trailer of another content":  {chunks("5"), "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + crc32Text("other") + "\r\n\r\n", expect{status: 400, code: "BadDigest"}},
		"a trailer that is none":        {chunks("5"), "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:x\r\n\r\n", expect{status: 400, code: "InvalidRequest"}},
		"a trailer that is missing":     {chunks("5"), "5\r\nhello\r\n0\r\n\r\n", expect{status: 400}},
		"chunks of a length that is no": {chunks("many"), "5\r\nhello\r\n0\r\n" + trailer, expect{status: 400, code: "InvalidRequest"}},
		"another hash":                  {map[string]string{"X-Amz-Content-Sha256": strings.Repeat("0", 64)}, "hello", expect{status: 400, code: "XAmzContentSHA256Mismatch"}},
		"another MD5":                   {map[string]string{"Content-MD5": md5Text("x")}, "hello", expect{status: 400, code: "BadDigest"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := w.do(query{method: "PUT", path: "/box/key", body: c.body, header: c.header})
			if c.code == "" {
				c.code = r.code()
			}
			c.check(t, r)
			if got := w.getObject("/box/key").status; got != 404 {
				t.Errorf("the object answers %d", got)
			}
		})
	}
	t.Run("a trailer that matches is kept", func(t *testing.T) {
		expect{status: 200, header: map[string]string{"X-Amz-Checksum-Crc32": crc32Text("hello")}}.check(t,
			w.do(query{method: "PUT", path: "/box/good", body: "5\r\nhello\r\n0\r\n" + trailer, header: chunks("5")}))
		expect{status: 200, body: "hello", header: map[string]string{"Content-Encoding": "-"}}.check(t, w.getObject("/box/good"))
	})
	t.Run("a connection that closes in the middle", func(t *testing.T) {
		conn, _ := w.dial(t)
		write(t, conn, w.request(query{method: "PUT", path: "/box/key"}), 1000, "half")
		conn.Close()
		w.wait("the end of the request", func() bool {
			w.ends.mu.Lock()
			defer w.ends.mu.Unlock()
			last := w.ends.list[len(w.ends.list)-1]
			return last.Operation == "PutObject" && last.Received == 4
		})
		if got := w.getObject("/box/key").status; got != 404 {
			t.Errorf("the object answers %d", got)
		}
	})
}

func TestBodyThatStandsStillLosesItsPlace(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) { o.BodyIdle = 50 * time.Millisecond })
	w.newBucket("box")
	conn, from := w.dial(t)
	write(t, conn, w.request(query{method: "PUT", path: "/box/key"}), 1000, "half")
	expect{status: 400, code: "RequestTimeout"}.check(t, read(t, from))
	if got := w.getObject("/box/key").status; got != 404 {
		t.Errorf("the object answers %d", got)
	}
}

func TestConnectionOutlivesTheIdleTimeOfItsBodies(t *testing.T) {
	w := newWorld(t, func(o *s3.Options) { o.BodyIdle = 50 * time.Millisecond })
	w.newBucket("box")
	conn, from := w.dial(t)
	for range 2 {
		write(t, conn, w.request(query{method: "PUT", path: "/box/key"}), 4, "half")
		expect{status: 200}.check(t, read(t, from))
		time.Sleep(100 * time.Millisecond)
	}
}

func TestPutWithoutALengthIsMissingContentLength(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	for name, framing := range map[string]string{"without any": "", "in chunks of HTTP": "Transfer-Encoding: chunked\r\n"} {
		t.Run(name, func(t *testing.T) {
			conn, from := w.dial(t)
			r := w.request(query{method: "PUT", path: "/box/key"})
			var b bytes.Buffer
			fmt.Fprintf(&b, "PUT /box/key HTTP/1.1\r\nHost: %s\r\n%s", r.Host, framing)
			if err := r.Header.Write(&b); err != nil {
				t.Fatal(err)
			}
			b.WriteString("\r\n")
			if _, err := conn.Write(b.Bytes()); err != nil {
				t.Fatal(err)
			}
			expect{status: 411, code: "MissingContentLength"}.check(t, read(t, from))
		})
	}
}

func TestTooLargeIsRefusedBeforeTheBodyIsRead(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	conn, from := w.dial(t)
	r := w.request(query{method: "PUT", path: "/box/key", header: map[string]string{"Expect": "100-continue"}})
	write(t, conn, r, store.PutSizeMax+1, "")
	got := read(t, from)
	expect{status: 400, code: "EntityTooLarge", fields: map[string]string{"ProposedSize": fmt.Sprint(store.PutSizeMax + 1)}, header: map[string]string{"Connection": "close"}}.check(t, got)
	if _, err := from.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is open: %v", err)
	}
}

func TestContinueIsSaidOnlyWhenTheBodyIsWanted(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	conn, from := w.dial(t)
	r := w.request(query{method: "PUT", path: "/box/key", header: map[string]string{"Expect": "100-continue"}})
	write(t, conn, r, 5, "")
	line, err := from.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := from.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	expect{status: 200}.check(t, read(t, from))

	conn, from = w.dial(t)
	r = w.request(query{method: "PUT", path: "/nobox/key", header: map[string]string{"Expect": "100-continue"}})
	write(t, conn, r, 5, "")
	expect{status: 404, code: "NoSuchBucket"}.check(t, read(t, from)) // and no 100 before
}

func TestEventsTellWhatARequestCameTo(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.putObject("/box/key", "12345")
	w.getObject("/box/key")
	w.getObject("/box/none")
	want := []s3.RequestEnd{
		{Operation: "CreateBucket", Status: 200, Bucket: "box"},
		{Operation: "PutObject", Status: 200, Bucket: "box", Received: 5},
		{Operation: "GetObject", Status: 200, Bucket: "box", Sent: 5},
		{Operation: "GetObject", Status: 404, Bucket: "box", Code: "NoSuchKey"},
	}
	w.wait("all events", func() bool { w.ends.mu.Lock(); defer w.ends.mu.Unlock(); return len(w.ends.list) == len(want) })
	for i, got := range w.ends.list {
		if got.ID == "" || got.AccessKey != ownerKey || got.Duration <= 0 {
			t.Errorf("got %+v", got)
		}
		if got.Code != "" {
			got.Sent = 0
		}
		got.ID, got.AccessKey, got.Duration = "", "", 0
		if got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
}
