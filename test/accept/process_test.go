//go:build accept

package accept

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// idleMax is the memory that an idle node stays under, in bytes.
const idleMax = 60_000_000

// A node that has nothing to do is small: after its first start, and after a restart on data.
func TestIdleNodeIsSmall(t *testing.T) {
	s := start(t)
	time.Sleep(2 * time.Second)
	fresh := s.rss()
	client := s.minioClient()
	for n := range pick(200, 5000) {
		must(t, put(t.Context(), client, fmt.Sprintf("idle/%d", n), 20_000))
	}
	s.stop()
	s.start()
	time.Sleep(2 * time.Second)
	again := s.rss()
	t.Logf("idle memory: %.1f MB after the first start, %.1f MB after a restart on data", float64(fresh)/1e6, float64(again)/1e6)
	if fresh > idleMax || again > idleMax {
		t.Errorf("want less than %d MB", idleMax/1_000_000)
	}
}

// A server that is asked to stop finishes the upload that is on its way, takes no new connection, and ends in order.
func TestGracefulStopFinishesASlowPut(t *testing.T) {
	s := start(t)
	body := content("slow", 300_000)
	sum := sha256.Sum256(body)
	r := rawRequest{method: http.MethodPut, target: "/" + bucket + "/slow", payloadHash: hex.EncodeToString(sum[:])}
	r.set("Content-Length", fmt.Sprint(len(body)))
	conn, err := dial(t, s.s3)
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(r.head(s.s3))
	must(t, err)
	_, err = conn.Write(body[:100_000])
	must(t, err)
	time.Sleep(200 * time.Millisecond) // the request is in its handler

	s.askToStop()
	eventually(t, func() bool {
		c, err := dial(t, s.s3)
		if err == nil {
			c.Close()
		}
		return err != nil
	}, func() string { return "a stopping server still takes connections" })
	for at := 100_000; at < len(body); at += 50_000 {
		time.Sleep(100 * time.Millisecond)
		_, err = conn.Write(body[at : at+50_000])
		must(t, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the slow put was answered with %s", resp.Status)
	}
	s.waitStopped(20 * time.Second)
	s.start()
	mustHave(t, s.minioClient(), "slow", "slow", len(body))
}

// A client that goes away in the middle of an upload, or whose bytes are others than it said, leaves nothing behind.
func TestBodyThatEndsEarlyLeavesNothing(t *testing.T) {
	s := start(t)
	for name, size := range map[string]int{"small": 1000, "one-block": 500_000, "blocks": 5 << 20} {
		body := content(name, size)
		sum := sha256.Sum256(body)
		r := rawRequest{method: http.MethodPut, target: "/" + bucket + "/early/" + name, payloadHash: hex.EncodeToString(sum[:])}
		r.set("Content-Length", fmt.Sprint(size))
		a := sendCut(t, s.s3, append(r.head(s.s3), body[:size/2]...), 100*time.Millisecond)
		a.mustBe(t, name+" that ends early", 400, "IncompleteBody")
		other := bytes.Clone(body)
		other[size/2] ^= 1
		a = send(t, s.s3, append(r.head(s.s3), other...))
		a.mustBe(t, name+" with another byte", 400, "XAmzContentSHA256Mismatch")
	}
	if keys := list(t, s.minioClient(), "", true); len(keys) != 0 {
		t.Errorf("refused uploads left %v", keys)
	}
}
