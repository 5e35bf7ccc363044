package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"grange/internal/catalog"
	"grange/internal/store"
)

// Code is what a program branches on.
type Code string

// The codes.
const (
	Invalid      Code = "invalid"      // the request cannot be carried out as it is
	Unauthorized Code = "unauthorized" // the token is missing or wrong
	NotFound     Code = "not_found"    // the thing, or the route, does not exist
	NotAllowed   Code = "method_not_allowed"
	Exists       Code = "exists"      // the name is taken
	InUse        Code = "in_use"      // others need it: the message names them
	Unavailable  Code = "unavailable" // ask again later
	Internal     Code = "internal"    // the log has more, under the request id
)

// statusOf is the table of the HTTP status of each code.
var statusOf = map[Code]int{
	Invalid:      http.StatusBadRequest,
	Unauthorized: http.StatusUnauthorized,
	NotFound:     http.StatusNotFound,
	NotAllowed:   http.StatusMethodNotAllowed,
	Exists:       http.StatusConflict,
	InUse:        http.StatusConflict,
	Unavailable:  http.StatusServiceUnavailable,
	Internal:     http.StatusInternalServerError,
}

// Error is a failure as the client of the API sees it.
type Error struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"` // for people; free to change
	RequestID string `json:"request_id"`
	err       error  // cause, for our log; never sent
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Is matches on the code, so that errors.Is(err, &Error{Code: NotFound}) reads well.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// fromDomain is the one place where a failure below becomes an answer. What it does not know stays private.
func fromDomain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Code: e.Code, Message: e.Message}
	}
	table := []struct {
		sentinel error
		code     Code
		message  string // empty: the error itself, whose facts are meant for people
	}{
		{catalog.ErrInvalid, Invalid, ""},
		{catalog.ErrNotFound, NotFound, ""},
		{catalog.ErrExists, Exists, ""},
		{catalog.ErrInUse, InUse, ""},
		{catalog.ErrConflict, InUse, ""},
		{catalog.ErrLimit, Invalid, ""},
		{store.ErrNoBucket, NotFound, "there is no such bucket"},
		{store.ErrBucketExists, Exists, "another account has a bucket of that name"},
		{store.ErrBucketOwned, Exists, "the account has a bucket of that name already"},
		{store.ErrNotEmpty, InUse, "the bucket is not empty: delete its objects first"},
		{store.ErrNoSpace, Unavailable, "the disk is full but for its reserve: delete something, or add room"},
		{store.ErrUnavailable, Unavailable, "the node cannot answer now: try again"},
		{context.DeadlineExceeded, Unavailable, "the node did not answer in time: try again"},
		{context.Canceled, Unavailable, "the request was given up"},
	}
	for _, row := range table {
		if errors.Is(err, row.sentinel) {
			return &Error{Code: row.code, Message: cmp.Or(row.message, plain(err)), err: err}
		}
	}
	return &Error{Code: Internal, Message: "an internal error; the node's log has it under the request id", err: err}
}

// plain is an error of the catalog without the name of the package, which says nothing to people.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "catalog: ") }

func invalid(format string, args ...any) error {
	return &Error{Code: Invalid, Message: fmt.Sprintf(format, args...)}
}

// fail answers with err, and logs it when it is ours.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := fromDomain(err)
	e.RequestID = requestID(r.Context())
	if e.Code == Internal {
		s.log.LogAttrs(r.Context(), slog.LevelError, "admin request failed", slog.String("request_id", e.RequestID),
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("error", e.err))
	}
	if e.Code == Unauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="grange"`)
	}
	writeJSON(w, statusOf[e.Code], e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // fails only when the client is gone
}
