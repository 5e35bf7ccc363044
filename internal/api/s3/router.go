package s3

import (
	"net/http"
	"slices"
	"strings"

	"grange/internal/access"
)

// route is one operation of S3: what selects it, what right it needs, and what carries it out.
type route struct {
	name   string // of the operation in the S3 API
	method string
	level  level
	query  []string // parameters that must all be there; "list-type=2" wants the value too
	header string   // header that must be there
	action access.Action
	// versionAction is the action when the request names a version; empty: the same.
	versionAction access.Action
	handle        func(*call) error
	// makesBucket: the bucket need not exist.
	makesBucket bool
	// public: nothing of the store is shown or changed, so that no permission is asked.
	public bool
}

// routeTable is the routes by level and method, the more special ones first.
type routeTable struct {
	byPlace [3]map[string][]*route
	// selectors are the query parameters that select an operation. One that no route of the request took is refused: a
	// PUT of a key's ?retention must never become a PUT of its content.
	selectors map[string]bool
}

// unsupported are selectors of S3 for which there is no route at all.
var unsupported = []string{
	"abac", "annotation", "append", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "metadataTable",
	"renameObject", "select", "session", "torrent", "encryption-context",
}

func newRouteTable(all []route) *routeTable {
	t := &routeTable{selectors: make(map[string]bool)}
	for _, name := range unsupported {
		t.selectors[name] = true
	}
	for i := range all {
		r := &all[i]
		if t.byPlace[r.level] == nil {
			t.byPlace[r.level] = make(map[string][]*route)
		}
		t.byPlace[r.level][r.method] = append(t.byPlace[r.level][r.method], r)
		for _, q := range r.query {
			name, _, _ := strings.Cut(q, "=")
			t.selectors[name] = true
		}
	}
	// These describe a read as well as they select an operation.
	delete(t.selectors, "partNumber")
	delete(t.selectors, "list-type")
	for _, methods := range t.byPlace {
		for _, routes := range methods {
			slices.SortStableFunc(routes, func(a, b *route) int { return b.weight() - a.weight() })
		}
	}
	return t
}

func (r *route) weight() int {
	w := 2 * len(r.query)
	if r.header != "" {
		w++
	}
	return w
}

// find selects the route of a request.
func (t *routeTable) find(c *call) (*route, error) {
	candidates, ok := t.byPlace[c.level()][c.r.Method]
	if !ok {
		return nil, c.methodNotAllowed(t)
	}
	for _, r := range candidates {
		if r.matches(c) {
			return r, t.checkSelectors(c, r)
		}
	}
	return nil, c.methodNotAllowed(t)
}

func (r *route) matches(c *call) bool {
	for _, q := range r.query {
		name, want, hasValue := strings.Cut(q, "=")
		got, ok := c.query[name]
		if !ok || hasValue && got[0] != want {
			return false
		}
	}
	return r.header == "" || c.r.Header[r.header] != nil
}

// checkSelectors refuses a request with a selector that its route does not know.
func (t *routeTable) checkSelectors(c *call, r *route) error {
	for name := range c.query {
		if !t.selectors[name] || r.takes(name) {
			continue
		}
		if t.elsewhere(c.level(), name) {
			return c.methodNotAllowed(t)
		}
		return failf(NotImplemented, "The sub-resource %q is not available.", name).with("ResourceType", name)
	}
	return nil
}

func (r *route) takes(name string) bool {
	return slices.ContainsFunc(r.query, func(q string) bool {
		n, _, _ := strings.Cut(q, "=")
		return n == name
	})
}

// elsewhere tells whether the selector belongs to an operation of the same level under another method.
func (t *routeTable) elsewhere(l level, name string) bool {
	for _, routes := range t.byPlace[l] {
		if slices.ContainsFunc(routes, func(r *route) bool { return r.takes(name) }) {
			return true
		}
	}
	return false
}

// methodNotAllowed names the methods that the level knows (RFC 9110 §15.5.6).
func (c *call) methodNotAllowed(t *routeTable) error {
	var methods []string
	for m := range t.byPlace[c.level()] {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	c.set("Allow", strings.Join(methods, ", "))
	resource := [...]string{service: "SERVICE", bucket: "BUCKET", object: "OBJECT"}[c.level()]
	return fail(MethodNotAllowed).with("Method", c.r.Method).with("ResourceType", resource)
}

// preflight answers the question of a browser whether it may send a request. No bucket has rules for that yet (S3: "CORS").
func preflight(c *call) error {
	if c.r.Header.Get("Origin") == "" {
		return failf(BadRequest, "Insufficient information. Origin request header needed.")
	}
	return fail(AccessForbidden).with("Method", c.r.Header.Get("Access-Control-Request-Method")).with("ResourceType", "BUCKET")
}

var _ http.Handler = (*Server)(nil)
