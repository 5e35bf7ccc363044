//go:build accept

package accept

import (
	"fmt"
	"testing"
)

// boto3 speaks with today's defaults, which send a CRC32 with every upload and ask for checksums with every download. What
// each script shows is told at its top.
func TestBotoEverydayCalls(t *testing.T) {
	start(t).script("everyday.py")
}

func TestBotoChecksumsOfAllAlgorithms(t *testing.T) {
	start(t).script("checksums.py")
}

func TestBotoLargeFileInParts(t *testing.T) {
	start(t).script("multipart.py", fmt.Sprint(pick(150, 1100)), t.TempDir())
}

// Of 32 writers with If-None-Match: * on one key exactly one wins, as of 32 with If-Match.
func TestBotoConditionalWritesHaveOneWinner(t *testing.T) {
	start(t).script("conditional_writes.py", "32", fmt.Sprint(pick(10, 100)))
}
