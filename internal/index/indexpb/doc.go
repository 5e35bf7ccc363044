// Package indexpb holds the generated code of index.proto: the stored and replicated messages of an index group.
// Only package index uses it; docs/formats/index.md describes the bytes.
package indexpb

//go:generate protoc --proto_path=. --go_out=. --go_opt=paths=source_relative index.proto
