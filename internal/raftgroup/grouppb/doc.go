// Package grouppb holds the protobuf messages that consensus groups store and send. It holds nothing by hand.
package grouppb

//go:generate protoc --go_out=. --go_opt=paths=source_relative group.proto
