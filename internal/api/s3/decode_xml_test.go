package s3

import (
	"errors"
	"io"
	"testing"
)

func TestOnlyOneRootElementIsADocument(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"one element":                 {"<A><B>x</B></A>", true},
		"white space and a comment":   {"<?xml version=\"1.0\"?><A></A>\n <!-- end -->\n", true},
		"a second root":               {"<A></A><A></A>", false},
		"text behind":                 {"<A></A>x", false},
		"an element that is cut off":  {"<A></A><B", false},
		"an element that never began": {"<A></A></B>", false},
		"no element at all":           {`{"json": true}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var v struct{ B string }
			err := decodeXML([]byte(c.text), &v)
			if (err == nil) != c.ok {
				t.Errorf("got %v, want success %v", err, c.ok)
			}
			// A caller takes io.EOF for a body of no bytes, which some operations accept.
			if errors.Is(err, io.EOF) {
				t.Errorf("got %v for a body that has bytes", err)
			}
		})
	}
}
