//go:build linux

package wan

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// testName is another one in each process, so that two test runs do not meet.
var testName = func() string {
	name := []byte("gnt")
	for pid := os.Getpid(); len(name) < 8; pid /= 26 {
		name = append(name, byte('a'+pid%26))
	}
	return string(name)
}()

// up runs a network for a test, which needs root. stop ends it before the test does.
func up(t *testing.T, c Config) (n *Net, stop func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("laying out namespaces needs root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("this machine has no TUN devices")
	}
	c.Name = testName
	n, err := Up(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, n.Down()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return n, stop
}

// echo answers on a host what it hears.
func echo(t *testing.T, n *Net, host int) {
	t.Helper()
	var l net.Listener
	err := n.In(host, func() (err error) {
		l, err = net.Listen("tcp", Address(host)+":7")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
}

func dial(t *testing.T, n *Net, from, to int) net.Conn {
	t.Helper()
	var c net.Conn
	err := n.In(from, func() (err error) {
		c, err = net.DialTimeout("tcp", Address(to)+":7", 5*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ping sends a byte there and back.
func ping(c net.Conn, limit time.Duration) (time.Duration, error) {
	began := time.Now()
	_ = c.SetDeadline(began.Add(limit))
	if _, err := c.Write([]byte{1}); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return time.Since(began), err
}

func TestTownsAreApartAndFibresBreak(t *testing.T) {
	n, _ := up(t, Config{Hosts: 3, Zones: []string{"a", "b", "b"}, RTT: 60 * time.Millisecond, Local: time.Millisecond})
	echo(t, n, 2)
	far, near := dial(t, n, 1, 2), dial(t, n, 3, 2)
	for name, test := range map[string]struct {
		conn            net.Conn
		atLeast, atMost time.Duration
	}{
		"between zones": {far, 60 * time.Millisecond, 200 * time.Millisecond},
		"within a zone": {near, time.Millisecond, 50 * time.Millisecond},
	} {
		took, err := ping(test.conn, 5*time.Second)
		if err != nil || took < test.atLeast || took > test.atMost {
			t.Errorf("%s: %v, %v, want between %v and %v", name, took, err, test.atLeast, test.atMost)
		}
	}
	if _, err := Control(testName, "cut", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := ping(far, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a cut fibre: got %v", err)
	}
	if _, err := ping(near, 5*time.Second); err != nil {
		t.Errorf("the others: got %v", err)
	}
	if status, err := Control(testName, "status"); err != nil || !strings.Contains(status, "1-2  rtt 60ms ± 0s  loss 0.000  CUT") {
		t.Errorf("status: got %q, %v", status, err)
	}
	if _, err := Control(testName, "heal"); err != nil {
		t.Fatal(err)
	}
	if _, err := ping(far, 10*time.Second); err != nil {
		t.Errorf("after healing: got %v", err)
	}
	if _, err := Control(testName, "fly"); err == nil {
		t.Error("an unknown command was obeyed")
	}
}

func TestSecondNetworkOfANameIsRefused(t *testing.T) {
	n, _ := up(t, Config{Hosts: 1})
	if _, err := Up(Config{Hosts: 1, Name: testName}); !errors.Is(err, ErrUp) {
		t.Errorf("got %v, want ErrUp", err)
	}
	out, err := n.Command(t.Context(), 1, "cat", "/proc/net/route").Output()
	if err != nil || !strings.Contains(string(out), "eth0") {
		t.Errorf("the first one: %q, %v", out, err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	_, stop := up(t, Config{Hosts: 2})
	stop()
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), testName) {
			t.Errorf("%s is left", e.Name())
		}
	}
	if _, err := os.Stat(socket(testName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}
