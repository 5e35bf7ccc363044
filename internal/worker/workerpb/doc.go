// Package workerpb holds the generated message of the worker settings that a node stores; internal/worker converts it.
package workerpb

//go:generate protoc --proto_path=. --go_out=. --go_opt=paths=source_relative worker.proto
