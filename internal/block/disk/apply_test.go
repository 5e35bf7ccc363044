package disk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"grange/internal/block"
)

// The meaning of records, as a script: each line of an input is a record, the answer is what the index says after it.
//
//	block|touch|delete epoch=N at=SEGMENT/OFFSET
//	gone segment=N               the file of the segment was removed
func TestRecordsAddUpToAnEntry(t *testing.T) {
	datadriven.RunTest(t, "testdata/apply.txt", func(t *testing.T, td *datadriven.TestData) string {
		if td.Cmd != "records" {
			t.Fatalf("unknown command %s", td.Cmd)
		}
		var e entry
		var out strings.Builder
		for line := range strings.Lines(td.Input) {
			applyLine(t, &e, strings.TrimSpace(line))
			fmt.Fprintln(&out, e.String())
		}
		return out.String()
	})
}

func applyLine(t *testing.T, e *entry, line string) {
	t.Helper()
	var kind string
	var epoch, seg uint64
	var off int64
	if n, _ := fmt.Sscanf(line, "gone segment=%d", &seg); n == 1 {
		e.keepDead(func(s uint64) bool { return s != seg })
		return
	}
	if _, err := fmt.Sscanf(line, "%s epoch=%d at=%d/%d", &kind, &epoch, &seg, &off); err != nil {
		t.Fatalf("line %q: %v", line, err)
	}
	kinds := map[string]Kind{"block": KindBlock, "touch": KindTouch, "delete": KindDelete}
	e.apply(&header{kind: kinds[kind], epoch: block.Epoch(epoch)}, pos{seg, off})
}
