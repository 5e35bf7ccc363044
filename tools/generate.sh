#!/bin/sh
# Writes all generated files again. It needs protoc (Debian: protobuf-compiler); its plugin comes from tools/go.mod.
set -eu
cd "$(dirname "$0")/.."
command -v protoc >/dev/null 2>&1 || {
	echo "generate: protoc is missing: apt-get install protobuf-compiler" >&2
	exit 1
}
go generate ./...
go test ./internal/api/admin -run TestReferencePageIsCurrent -rewrite >/dev/null
go test ./cmd/grange -run TestReferencePageIsCurrent -reference >/dev/null
