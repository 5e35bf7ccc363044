package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"grange/internal/api/s3/sigv4"
)

// The credentials of all examples in the S3 API reference.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	otherKey      = "AKIAI44QH8DHBEXAMPLE"
	otherSecret   = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY"
)

// exampleTime is the date of all examples, 20130524T000000Z.
var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func secrets(_ context.Context, accessKeyID string) (string, error) {
	switch accessKeyID {
	case exampleKey:
		return exampleSecret, nil
	case otherKey:
		return otherSecret, nil
	default:
		return "", fmt.Errorf("test: %w", sigv4.ErrUnknownKey)
	}
}

// exampleVerifier lives at the given time after that of the examples.
func exampleVerifier(after time.Duration) *sigv4.Verifier {
	return sigv4.New(secrets, sigv4.Settings{Now: func() time.Time { return exampleTime.Add(after) }})
}

// parse reads a request as net/http's server does. Lines may end as they do in Go source.
func parse(t *testing.T, head, body string) *http.Request {
	t.Helper()
	head = strings.ReplaceAll(strings.TrimSpace(head), "\n", "\r\n") + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// send brings a client's request over the wire to the server's side.
func send(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// checkRefused fails unless err is a refusal with the code, and one that keeps our secrets.
func checkRefused(t *testing.T, err error, want sigv4.Code) *sigv4.Error {
	t.Helper()
	refusal, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		t.Fatalf("got %v, want %s", err, want)
	}
	if refusal.Code != want || !errors.Is(err, &sigv4.Error{Code: want}) {
		t.Fatalf("got %v, want %s", err, want)
	}
	for _, secret := range []string{exampleSecret, otherSecret} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, *refusal), secret) {
			t.Fatalf("the error shows a secret: %+v", *refusal)
		}
	}
	return refusal
}
