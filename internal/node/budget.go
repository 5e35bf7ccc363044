package node

import (
	"math"
	"os"
	"runtime/debug"
)

// budget shares the memory that the operator grants out among the parts. All are in bytes but requests.
type budget struct {
	metaCache    int64  // blocks of the metadata
	memTable     uint64 // changes of the metadata that are not yet in a table; up to four of them
	bodies       int64  // bodies on their way in
	blockQueue   int64  // of each block directory: blocks that wait to be written
	requests     int    // S3 requests in flight
	connections  int    // of the S3 API, idle ones included
	adminClients int    // connections of the admin API
}

func newBudget(memory int64, blockDirs int) budget {
	const mib = 1 << 20
	return budget{
		metaCache:    memory / 8,
		memTable:     uint64(clamp(memory/24, 4*mib, 16*mib)),
		bodies:       memory / 3,
		blockQueue:   clamp(memory/12/int64(max(blockDirs, 1)), 8*mib, 32*mib),
		requests:     int(clamp(memory/(mib/2), 64, 4096)),
		connections:  int(clamp(memory/(mib/8), 256, 16384)),
		adminClients: 64,
	}
}

func clamp(n, least, most int64) int64 { return min(max(n, least), most) }

// limitMemory asks the garbage collector to stay within memory, unless GOMEMLIMIT did already. It returns the limit.
func limitMemory(memory int64) int64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return memory
	}
	return limit
}
