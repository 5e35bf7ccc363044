package admin

import (
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"

	"grange/internal/access"
	"grange/internal/catalog"
)

// route is one row of the table of routes.
type route struct {
	method   string
	path     string
	action   access.Action // what the request must be allowed to do
	summary  string
	query    []string // names of the query's parameters
	request  any      // zero value of the body's type; nil: none
	response any      // zero value of the answer's type; nil: 204
	handle   func(r *http.Request) (any, error)
	raw      http.Handler // instead of handle, for what is not JSON of ours
}

func (rt route) pattern() string {
	if strings.HasSuffix(rt.path, "/") {
		return rt.method + " " + rt.path + "{rest...}"
	}
	return rt.method + " " + rt.path
}

// routes is the table. Nothing else is served.
func (s *Server) routes() []route {
	page := []string{"after", "max"}
	return []route{
		{"GET", "/health", access.AdminReadHealth, "Tell whether requests are served: 200, or 503.", nil, nil, Health{}, s.health, nil},
		{"GET", "/metrics", access.AdminReadMetrics, "Metrics for Prometheus.", nil, nil, nil, nil, s.o.Metrics},
		{"GET", "/debug/pprof/", access.AdminReadCluster, "Profiles of the process (net/http/pprof).", nil, nil, nil, nil, profiles()},
		{"GET", "/v1/openapi.json", access.AdminReadCluster, "This description.", nil, nil, map[string]any{}, s.openAPI, nil},
		{"GET", "/v1/status", access.AdminReadCluster, "How the node is.", nil, nil, Status{}, s.status, nil},

		{"GET", "/v1/accounts", access.AdminReadAccounts, "List accounts by name.", page, nil, AccountList{}, s.listAccounts, nil},
		{"POST", "/v1/accounts", access.AdminManageAccounts, "Make an account.", nil, NewAccount{}, Account{}, s.createAccount, nil},
		{"GET", "/v1/accounts/{account}", access.AdminReadAccounts, "Look up an account by name or id.", nil, nil, Account{}, s.getAccount, nil},
		{"PATCH", "/v1/accounts/{account}", access.AdminManageAccounts, "Rename or describe an account.", nil, AccountChange{}, Account{}, s.changeAccount, nil},
		{"DELETE", "/v1/accounts/{account}", access.AdminManageAccounts, "Delete an account without buckets and keys.", nil, nil, nil, s.deleteAccount, nil},

		{"GET", "/v1/keys", access.AdminReadKeys, "List keys by id, of one account or all.", append([]string{"account"}, page...), nil, KeyList{}, s.listKeys, nil},
		{"POST", "/v1/keys", access.AdminManageKeys, "Make a key; the answer has its secret.", nil, NewKey{}, Key{}, s.createKey, nil},
		{"POST", "/v1/keys/import", access.AdminManageKeys, "Take over a key that was made elsewhere.", nil, NewKey{}, Key{}, s.importKey, nil},
		{"GET", "/v1/keys/{key}", access.AdminReadKeys, "Look up a key, with its secret if secret=true.", []string{"secret"}, nil, Key{}, s.getKey, nil},
		{"PATCH", "/v1/keys/{key}", access.AdminManageKeys, "Change a key, or draw a new secret for it.", nil, KeyChange{}, Key{}, s.changeKey, nil},
		{"DELETE", "/v1/keys/{key}", access.AdminManageKeys, "Delete a key and what was granted to it.", nil, nil, nil, s.deleteKey, nil},

		{"GET", "/v1/buckets", access.AdminReadBuckets, "List buckets by name, of one account or all.", append([]string{"account"}, page...), nil, BucketList{}, s.listBuckets, nil},
		{"POST", "/v1/buckets", access.AdminManageBuckets, "Make a bucket.", nil, NewBucket{}, Bucket{}, s.createBucket, nil},
		{"GET", "/v1/buckets/{bucket}", access.AdminReadBuckets, "Look up a bucket with its counts.", nil, nil, Bucket{}, s.getBucket, nil},
		{"DELETE", "/v1/buckets/{bucket}", access.AdminManageBuckets, "Delete an empty bucket.", nil, nil, nil, s.deleteBucket, nil},
		{"PUT", "/v1/buckets/{bucket}/quota", access.AdminManageBuckets, "Limit a bucket.", nil, Quota{}, Bucket{}, s.setQuota, nil},
		{"POST", "/v1/buckets/{bucket}/grants/{key}", access.AdminManageBuckets, "Give a key rights, beside those that it has.", nil, GrantChange{}, Bucket{}, s.grant, nil},
		{"DELETE", "/v1/buckets/{bucket}/grants/{key}", access.AdminManageBuckets, "Take rights (comma-separated; default all) from a key.", []string{"rights"}, nil, Bucket{}, s.revoke, nil},

		{"GET", "/v1/workers", access.AdminReadWorkers, "List the background workers.", nil, nil, WorkerList{}, s.listWorkers, nil},
		{"PATCH", "/v1/workers/{worker}", access.AdminManageWorkers, "Change the settings of a worker.", nil, WorkerChange{}, Worker{}, s.changeWorker, nil},
		{"POST", "/v1/workers/{worker}/pause", access.AdminManageWorkers, "Let a worker rest until it is resumed.", nil, nil, Worker{}, s.tellWorker(PauseWorker), nil},
		{"POST", "/v1/workers/{worker}/resume", access.AdminManageWorkers, "Let a worker go on.", nil, nil, Worker{}, s.tellWorker(ResumeWorker), nil},
		{"POST", "/v1/workers/{worker}/run", access.AdminManageWorkers, "Let a worker begin now.", nil, nil, Worker{}, s.tellWorker(RunWorker), nil},
	}
}

// profiles is net/http/pprof without its registration at the default mux, which nothing here serves.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func (s *Server) health(*http.Request) (any, error) {
	if err := s.o.Ready(); err != nil {
		return nil, &Error{Code: Unavailable, Message: err.Error()}
	}
	return Health{Status: "ok"}, nil
}

func (s *Server) status(r *http.Request) (any, error) { return s.o.Status(r.Context()), nil }

// pageOf reads which page of a list is asked for.
func pageOf(r *http.Request) (catalog.Page, error) {
	p := catalog.Page{After: r.URL.Query().Get("after")}
	if text := r.URL.Query().Get("max"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return p, invalid("max %q is not a positive number", text)
		}
		p.Max = n
	}
	return p, nil
}

func (s *Server) listWorkers(*http.Request) (any, error) {
	return WorkerList{Workers: s.o.Workers.Workers()}, nil
}

func (s *Server) tellWorker(a WorkerAction) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) { return s.o.Workers.TellWorker(r.PathValue("worker"), a) }
}

func (s *Server) changeWorker(r *http.Request) (any, error) {
	ch, err := body[WorkerChange](r)
	if err != nil {
		return nil, err
	}
	return s.o.Workers.ChangeWorker(r.PathValue("worker"), ch)
}
