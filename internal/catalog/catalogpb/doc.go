// Package catalogpb holds the generated messages of the catalog's records and commands; internal/catalog converts
// them from and to its own types.
package catalogpb

//go:generate protoc --proto_path=. --go_out=. --go_opt=paths=source_relative catalog.proto
