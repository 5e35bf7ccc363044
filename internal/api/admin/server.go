package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"grange/internal/access"
	"grange/internal/catalog"
	"grange/internal/id"
	"grange/internal/index"
	"grange/internal/store"
)

// bodyMax bounds the body of a request, in bytes.
const bodyMax = 1 << 20

// Catalog is what the API needs of a *catalog.Client.
type Catalog interface {
	Read(ctx context.Context) (catalog.View, error)
	CreateAccount(ctx context.Context, name, description string) (catalog.Account, error)
	UpdateAccount(ctx context.Context, a id.Account, u catalog.AccountUpdate) (catalog.Account, error)
	DeleteAccount(ctx context.Context, a id.Account) error
	CreateKey(ctx context.Context, o catalog.KeyOptions) (catalog.AccessKey, error)
	ImportKey(ctx context.Context, keyID, secret string, o catalog.KeyOptions) (k catalog.AccessKey, existed bool, err error)
	UpdateKey(ctx context.Context, keyID string, u catalog.KeyUpdate) (catalog.AccessKey, error)
	RotateSecret(ctx context.Context, keyID string) (catalog.AccessKey, error)
	DeleteKey(ctx context.Context, keyID string) error
	Grant(ctx context.Context, b id.Bucket, keyID string, rights catalog.Rights) error
	Revoke(ctx context.Context, b id.Bucket, keyID string, rights catalog.Rights) error
	SetLimits(ctx context.Context, b id.Bucket, l catalog.Limits) error
}

// Store is what the API needs of a *store.Store.
type Store interface {
	Bucket(ctx context.Context, name string) (*catalog.Bucket, error)
	CreateBucket(ctx context.Context, o store.BucketOptions) (*catalog.Bucket, error)
	DeleteBucket(ctx context.Context, b *catalog.Bucket) error
	Stats(ctx context.Context, b *catalog.Bucket) (index.BucketStats, error)
}

// Workers are the background workers of the node. An unknown name is an error with code NotFound.
type Workers interface {
	Workers() []Worker
	TellWorker(name string, a WorkerAction) (Worker, error)
	ChangeWorker(name string, ch WorkerChange) (Worker, error)
}

// Options are the parts of a Server. All but Logger are needed.
type Options struct {
	Catalog Catalog
	Store   Store
	Workers Workers
	// Status tells how the node is.
	Status func(ctx context.Context) Status
	// Ready returns nil while requests are served, else the reason why not.
	Ready func() error
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// MetricsOpen answers it without the token.
	MetricsOpen bool
	// Token is the bearer token that gives all permissions.
	Token  string
	Logger *slog.Logger
}

// Server is the admin API.
type Server struct {
	o     Options
	log   *slog.Logger
	token [sha256.Size]byte // its hash: comparing hashes tells nothing of the token's length
	mux   *http.ServeMux
}

// New makes the API. It panics when the token is empty, because that would let everybody in.
func New(o Options) *Server {
	if o.Token == "" {
		panic("admin: empty token")
	}
	s := &Server{o: o, log: o.Logger, token: sha256.Sum256([]byte(o.Token)), mux: http.NewServeMux()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, rt := range s.routes() {
		s.mux.Handle(rt.pattern(), s.guard(rt))
	}
	return s
}

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	text, _ := ctx.Value(requestIDKey{}).(string)
	return text
}

// ServeHTTP answers one request. Every answer has its id in X-Request-Id.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rid := rand.Text()[:16]
	w.Header().Set("X-Request-Id", rid)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, rid))
	defer s.recoverPanic(w, r)
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unrouted(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recoverPanic keeps a bug in one request from ending the node.
func (s *Server) recoverPanic(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal of net/http
		panic(p)
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "admin request panicked", slog.String("request_id", requestID(r.Context())),
		slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	s.fail(w, r, errors.New("panic"))
}

// unrouted answers what no route takes. Without the token it tells nothing of what there is.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(r) {
		s.fail(w, r, errUnauthorized)
		return
	}
	code := NotFound
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			code = NotAllowed
		}
	}
	s.fail(w, r, &Error{Code: code, Message: r.Method + " " + r.URL.Path + " is not a route: /v1/openapi.json lists them"})
}

var errUnauthorized = &Error{Code: Unauthorized, Message: "send the admin token of the node as \"Authorization: Bearer …\""}

// guard is the one place where a route's permission is checked.
func (s *Server) guard(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.allowed(r, rt.action) {
			s.fail(w, r, errUnauthorized)
			return
		}
		if rt.raw != nil {
			rt.raw.ServeHTTP(w, r)
			return
		}
		answer, err := rt.handle(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if rt.method != http.MethodGet {
			s.log.LogAttrs(r.Context(), slog.LevelInfo, "admin changed something", slog.String("request_id", requestID(r.Context())),
				slog.String("method", r.Method), slog.String("path", r.URL.Path))
		}
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

// allowed asks the one place of decisions.
func (s *Server) allowed(r *http.Request, a access.Action) bool {
	if a == access.AdminReadMetrics && s.o.MetricsOpen {
		return true
	}
	administrator := s.authorized(r)
	return access.Decide(access.Request{Admin: administrator, Anonymous: !administrator, Action: a, Now: time.Now()}).Allowed
}

// authorized compares the token in constant time.
func (s *Server) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], s.token[:]) == 1
}

// body reads the JSON of a request. What it does not know is an error, because it may be a change that was meant.
func body[T any](r *http.Request) (v T, err error) {
	d := json.NewDecoder(io.LimitReader(r.Body, bodyMax))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, invalid("the body is not the JSON that this route takes: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, invalid("the body has more than one JSON value, or is longer than %d bytes", bodyMax)
	}
	return v, nil
}
