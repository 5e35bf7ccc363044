package chunked

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
)

const trailerSignature = "x-amz-trailer-signature"

// readTrailers reads the trailers with the empty line that ends them, and verifies their signature if the body has signatures.
func (r *Reader) readTrailers() error {
	trailer := make(map[string]string, len(r.opts.Announced))
	var canonical []byte // what is signed: "name:value\n" for each
	var signature string
	if err := r.skipEmptyLine(); err != nil {
		return err
	}
	for {
		line, err := r.readTrailerLine()
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		switch {
		case !ok || signature != "" || !printable(value):
			return malformedTrailer("a line is not a trailer")
		case name == trailerSignature && r.opts.Signatures != nil:
			signature = value
			continue
		case !slices.Contains(r.opts.Announced, name):
			return malformedTrailer("a trailer was not announced")
		}
		if _, again := trailer[name]; again {
			return malformedTrailer("a trailer comes twice")
		}
		trailer[name] = value
		canonical = append(canonical, name+":"+value+"\n"...)
	}
	for _, name := range r.opts.Announced {
		if _, ok := trailer[name]; !ok {
			return malformedTrailer("an announced trailer is missing")
		}
	}
	if r.opts.Signatures != nil {
		if err := r.opts.Signatures.Trailer(sha256.Sum256(canonical), []byte(signature)); err != nil {
			return err
		}
	}
	r.trailer = trailer
	return nil
}

// skipEmptyLine skips the empty line that some clients send before the trailers. An empty line that is all there is stays.
func (r *Reader) skipEmptyLine() error {
	if b, _ := r.src.Peek(3); len(b) < 3 || b[0] != '\r' || b[1] != '\n' {
		return nil // if the source failed, reading the line will tell
	}
	return r.expectLineBreak()
}

// readTrailerLine returns the next line without its end, which is CRLF, LF, or LF CRLF. The number of lines needs no bound here: all names
// are announced and none comes twice.
func (r *Reader) readTrailerLine() (string, error) {
	slice, err := r.src.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", malformedTrailer("a trailer is too long")
	}
	if err != nil {
		return "", sourceError(err)
	}
	slice = slice[:len(slice)-1]
	if n := len(slice); n > 0 && slice[n-1] == '\r' {
		return string(slice[:n-1]), nil
	}
	line := string(slice) // Peek may overwrite the slice
	if line == "" {
		return line, nil
	}
	b, err := r.src.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", sourceError(err)
	}
	if string(b) == "\r\n" {
		return line, r.expectLineBreak()
	}
	return line, nil
}

// printable reports whether s is of visible ASCII characters and spaces.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
