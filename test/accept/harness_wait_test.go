//go:build accept

package accept

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// eventually waits until something holds, and fails the test with what explain says if it does not within a minute.
func eventually(t *testing.T, holds func() bool, explain func() string) {
	t.Helper()
	within(t, time.Minute, holds, explain)
}

// within is eventually with another patience.
func within(t *testing.T, patience time.Duration, holds func() bool, explain func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(explain())
		}
	}
}

// status is what the tests read of grange status --json.
type status struct {
	Node     string
	Problems []string
}

func (s *server) status() (st status) {
	s.t.Helper()
	out := s.grange("status", "--json")
	if err := json.Unmarshal([]byte(out), &st); err != nil {
		s.t.Fatalf("%v in %q", err, out)
	}
	return st
}

// tellsProblem waits until grange status tells of a problem with such a word.
func (s *server) tellsProblem(word string) {
	s.t.Helper()
	var last []string
	eventually(s.t, func() bool {
		last = s.status().Problems
		return slices.ContainsFunc(last, func(p string) bool { return strings.Contains(p, word) })
	}, func() string { return "grange status tells no problem with " + word + ": " + strings.Join(last, "; ") })
	s.t.Logf("grange status tells: %s", strings.Join(last, "; "))
}
