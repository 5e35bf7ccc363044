// Package admin is the HTTP API with which an operator manages a node, and the client that the commands use.
//
// The API is JSON under /v1; /v1/openapi.json describes it. Every request carries the node's bearer token, except
// /health, and /metrics when the configuration opens it. There is one table of routes, in routes.go: each names the
// permission that it asks for, and the description is made from the same table.
//
// A failure answers with {"code", "message", "request_id"}: programs branch on the code, see [Error].
package admin
