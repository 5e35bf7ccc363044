package s3

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"grange/internal/api/s3/sigv4"
	"grange/internal/catalog"
)

// Limits of the HTTP server that carries a Server; the node sets them where it listens.
const (
	// HeaderBytesMax bounds the header of a request. AWS stops at 8 KiB of x-amz-* headers; browsers bring their own.
	HeaderBytesMax = 64 << 10
	// HeaderTimeout is how long a client may take to send the header of a request.
	HeaderTimeout = 30 * time.Second
	// IdleTimeout is how long an unused connection stays open.
	IdleTimeout = 2 * time.Minute
)

// Options are the parts and settings of a Server. Only Backend is needed.
type Options struct {
	Backend Backend
	// Region is the name of the region that clients are told. Default "grange".
	Region string
	// StrictRegion refuses signatures for other regions.
	StrictRegion bool
	// RootDomains make virtual-host style work: with "s3.example.org" the host photos.s3.example.org names the bucket photos.
	RootDomains []string
	// Logger gets internal errors and panics. Default: none.
	Logger *slog.Logger
	// Now is the clock that signatures are held against. Default time.Now.
	Now func() time.Time
	// RequestsMax is how many requests may be in flight; the next one is told to slow down. Default 1024.
	RequestsMax int
	// BodyIdle is how long a client may leave a body in transfer standing still. Default 60 s.
	BodyIdle time.Duration
	// KeepAlive is how long a copy or a completion may take before its client is shown that we are at it. Default 10 s.
	KeepAlive time.Duration
	// HostID is shown as x-amz-id-2, and tells an operator which node answered. Default "grange".
	HostID string
	Events Events
}

// Events tell what happens. A nil function is not called.
type Events struct {
	// RequestBegan is called before anything else is done for a request.
	RequestBegan func()
	// RequestEnded is called when the answer was given, or broken off.
	RequestEnded func(RequestEnd)
}

// RequestEnd is what a request came to.
type RequestEnd struct {
	ID        string // x-amz-request-id
	Operation string // the name in the S3 API, or "" if the request named none
	Status    int
	Code      Code // of the error document, or ""
	AccessKey string
	Bucket    string
	Received  int64 // bytes of the body read
	Sent      int64 // bytes of the body sent
	Duration  time.Duration
}

// Server answers S3 requests. Make it with New.
type Server struct {
	backend        Backend
	region         string
	strictRegion   bool
	rootDomains    []string // lower case, with a leading dot, longest first
	log            *slog.Logger
	now            func() time.Time
	bodyIdle       time.Duration
	keepAliveEvery time.Duration
	hostID         string
	events         Events
	verifier       *sigv4.Verifier
	places         chan struct{} // one for each request in flight
}

// New puts a Server together. It starts nothing.
func New(o Options) *Server {
	s := &Server{
		backend:        o.Backend,
		region:         cmp.Or(o.Region, "grange"),
		strictRegion:   o.StrictRegion,
		rootDomains:    rootSuffixes(o.RootDomains),
		log:            o.Logger,
		now:            o.Now,
		bodyIdle:       cmp.Or(o.BodyIdle, time.Minute),
		keepAliveEvery: cmp.Or(o.KeepAlive, 10*time.Second),
		hostID:         cmp.Or(o.HostID, "grange"),
		events:         o.Events,
		places:         make(chan struct{}, cmp.Or(o.RequestsMax, 1024)),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.verifier = sigv4.New(s.secret, sigv4.Settings{Region: s.region, StrictRegion: o.StrictRegion, Now: s.now})
	return s
}

func rootSuffixes(domains []string) []string {
	var suffixes []string
	for _, d := range domains {
		if d = strings.Trim(strings.ToLower(d), "."); d != "" {
			suffixes = append(suffixes, "."+d)
		}
	}
	slices.SortFunc(suffixes, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return suffixes
}

// Names of the headers that every answer has.
const (
	requestIDHeader = "x-amz-request-id"
	hostIDHeader    = "x-amz-id-2"
)

// call is one request on its way through the Server.
type call struct {
	server     *Server
	ctx        context.Context
	r          *http.Request
	w          *answer
	control    *http.ResponseController
	id         string
	began      time.Time
	received   int64 // bytes of the body
	bodyFailed bool  // reading it gave an error: what else the connection holds is not known
	code       Code  // of the error that was answered
	broken     bool  // the answer ends early: the connection must be closed, since nothing else can tell the client

	auth   *sigv4.Result
	key    *catalog.AccessKey // nil: anonymous
	query  map[string][]string
	route  *route
	bucket *catalog.Bucket // nil for operations that need none

	bucketName string
	object     string // key of the object; "" on other levels
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{server: s, ctx: r.Context(), r: r, w: &answer{ResponseWriter: w}, id: newRequestID(), began: time.Now()}
	c.control = http.NewResponseController(w)
	if s.events.RequestBegan != nil {
		s.events.RequestBegan()
	}
	defer c.end()
	c.set(requestIDHeader, c.id)
	c.set(hostIDHeader, s.hostID)
	c.set("Server", "Grange")
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		c.refuse(fail(SlowDown))
		return
	}
	if err := c.serve(r.Context()); err != nil {
		c.refuse(err)
	}
}

// serve carries the request out. It either has answered, or returns an error before it did.
func (c *call) serve(ctx context.Context) error {
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	if err := c.findPlace(); err != nil {
		return err
	}
	var err error
	if c.route, err = routes.find(c); err != nil {
		return err
	}
	if err := c.permit(); err != nil {
		return err
	}
	return c.route.handle(c)
}

// end recovers from a panic, and reports what the request came to.
func (c *call) end() {
	if cause := recover(); cause != nil {
		c.panicked(cause)
	}
	if c.server.events.RequestEnded != nil {
		c.server.events.RequestEnded(c.outcome())
	}
	if c.broken {
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
}

func (c *call) outcome() RequestEnd {
	e := RequestEnd{
		ID:       c.id,
		Status:   c.w.status,
		Code:     c.code,
		Bucket:   c.bucketName,
		Received: c.received,
		Sent:     c.w.sent,
		Duration: time.Since(c.began),
	}
	if c.route != nil {
		e.Operation = c.route.name
	}
	if c.key != nil {
		e.AccessKey = c.key.ID
	}
	return e
}

// panicked answers a request that met a bug of ours. Other requests go on, those of the same connection included, unless the answer
// was on its way already.
func (c *call) panicked(cause any) {
	c.server.log.LogAttrs(c.ctx, slog.LevelError, "request panicked",
		append(c.attrs(), slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))...)
	if c.w.status != 0 {
		c.code, c.broken = InternalError, true
		return
	}
	c.writeError(fail(InternalError))
}

// refuse answers with the error. It is the one place where errors become answers, and where internal ones are logged.
func (c *call) refuse(err error) {
	e := fromDomain(err)
	c.logInternal(e, err)
	if c.w.status != 0 {
		c.code, c.broken = e.Code, true
		return
	}
	c.writeError(e)
}

// logInternal logs what the client must not see. A client that went away is no news.
func (c *call) logInternal(e *Error, err error) {
	if e.Code == InternalError && !errors.Is(err, context.Canceled) {
		c.server.log.LogAttrs(c.ctx, slog.LevelError, "request failed", append(c.attrs(), slog.Any("error", err))...)
	}
}

// attrs are what every log line about the request has.
func (c *call) attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("request_id", c.id),
		slog.String("method", c.r.Method),
		slog.String("bucket", c.bucketName),
		slog.String("key", c.object),
	}
	if c.route != nil {
		attrs = append(attrs, slog.String("operation", c.route.name))
	}
	return attrs
}

// unreadBodyMax is how much of the body of a refused request net/http may read to keep the connection. Larger ones are not read: the
// connection is closed.
const unreadBodyMax = 64 << 10

// writeError writes the error document, or for HEAD its status alone.
func (c *call) writeError(e *Error) {
	c.code = e.Code
	if c.bodyFailed || c.r.ContentLength > unreadBodyMax || c.r.ContentLength < 0 {
		c.set("Connection", "close")
	}
	if e.Status() == http.StatusServiceUnavailable {
		c.set("Retry-After", "1")
	}
	d := bareDocument()
	defer d.free()
	d.error(e, c)
	c.set("Content-Type", "application/xml")
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(e.Status())
		return
	}
	c.w.WriteHeader(e.Status())
	_, _ = c.w.Write(d.b) // a client that is gone needs no error
}

// error writes an error document (S3: "REST error responses"), which has no namespace.
func (d *document) error(e *Error, c *call) {
	d.open("Error")
	d.text("Code", string(e.Code))
	d.text("Message", e.Message)
	named := false
	for _, f := range e.Fields {
		d.text(f.Name, f.Value)
		named = named || f.Name == "BucketName"
	}
	if c.bucketName != "" && !named {
		d.text("BucketName", c.bucketName)
	}
	d.text("Resource", c.resource())
	d.text("RequestId", c.id)
	d.text("HostId", c.server.hostID)
	d.close("Error")
}

// resource is what the request was about, as a path.
func (c *call) resource() string {
	switch {
	case c.bucketName == "":
		return c.r.URL.Path
	case c.object == "":
		return "/" + c.bucketName
	default:
		return "/" + c.bucketName + "/" + c.object
	}
}
