package tlsnet_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"grange/internal/id"
	tlsnet "grange/internal/transport/tls"
)

// inviting runs a node that takes joins.
func inviting(t *testing.T, join tlsnet.JoinHandler) (*world, *testNode) {
	w := newWorld(t)
	o := w.options(1)
	o.Join = join
	return w, w.run(1, o, nil)
}

func joinAs(n byte, to *testNode, request string) tlsnet.Join {
	return tlsnet.Join{Key: key(n), Address: to.listen.Addr().String(), Server: to.ID(), Request: []byte(request)}
}

func TestStrangerWithTheSecretJoins(t *testing.T) {
	w := newWorld(t)
	o := w.options(1)
	answer := bytes.Repeat([]byte("members "), 20000)
	o.Join = func(_ context.Context, from id.Node, request []byte) ([]byte, error) {
		if string(request) != "secret" {
			return nil, errors.New("the token is not valid any more")
		}
		w.peers.set(from, tlsnet.Peer{Standing: tlsnet.Member})
		return answer, nil
	}
	one := w.run(1, o, nil)
	_, err := tlsnet.DialOnce(withTimeout(t), joinAs(2, one, "guess"))
	if !errors.Is(err, tlsnet.ErrJoinRefused) || !strings.Contains(err.Error(), "not valid any more") {
		t.Errorf("got %v, want ErrJoinRefused with the reason", err)
	}
	got, err := tlsnet.DialOnce(withTimeout(t), joinAs(2, one, "secret"))
	if err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	two := w.run(2, w.options(2), nil)
	w.connected()
	if two.state(one.ID()) != tlsnet.Up {
		t.Error("the node that joined is not connected")
	}
}

func TestTheSecretIsToldOnlyToTheNodeOfTheToken(t *testing.T) {
	asked := make(chan []byte, 1)
	_, other := inviting(t, func(_ context.Context, _ id.Node, request []byte) ([]byte, error) {
		asked <- request
		return nil, nil
	})
	j := joinAs(2, other, "secret")
	j.Server = nodeID(9)
	if _, err := tlsnet.DialOnce(withTimeout(t), j); !errors.Is(err, tlsnet.ErrImpostor) {
		t.Errorf("got %v, want ErrImpostor", err)
	}
	if len(asked) > 0 {
		t.Error("the secret was told")
	}
}

func TestJoinIsRefused(t *testing.T) {
	w, one := inviting(t, func(context.Context, id.Node, []byte) ([]byte, error) { return nil, nil })
	w.peers.set(nodeID(66), tlsnet.Peer{Standing: tlsnet.Expelled})
	closed := newWorld(t)
	noJoins := closed.run(3, closed.options(3), nil)
	older := newWorld(t)
	o := older.options(4)
	o.Join = func(context.Context, id.Node, []byte) ([]byte, error) { return nil, nil }
	newer := older.run(4, o, nil)
	newer.SetVersions(7, 9)
	for name, test := range map[string]struct {
		join tlsnet.Join
		want error
	}{
		"an expelled node":         {joinAs(66, one, "secret"), tlsnet.ErrNotWelcome},
		"a node without joins":     {joinAs(2, noJoins, "secret"), tlsnet.ErrNotWelcome},
		"another protocol version": {joinAs(2, newer, "secret"), tlsnet.ErrVersion},
	} {
		if _, err := tlsnet.DialOnce(withTimeout(t), test.join); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: not one line: %v", name, err)
		}
	}
	if _, err := tlsnet.DialOnce(withTimeout(t), joinAs(2, one, strings.Repeat("x", 20<<10))); err == nil {
		t.Error("a request over the limit was sent")
	}
	refused := tlsnet.Join{Key: key(2), Address: "127.0.0.1:1", Server: one.ID()}
	if _, err := tlsnet.DialOnce(withTimeout(t), refused); err == nil {
		t.Error("a join through a closed port succeeded")
	}
}

func TestJoinsAreBounded(t *testing.T) {
	var mu sync.Mutex
	running, most := 0, 0
	_, one := inviting(t, func(ctx context.Context, _ id.Node, _ []byte) ([]byte, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return nil, nil
	})
	var wg sync.WaitGroup
	var busy, joined int
	for i := range 20 {
		wg.Go(func() {
			_, err := tlsnet.DialOnce(withTimeout(t), joinAs(byte(100+i), one, "guess"))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				joined++
			case errors.Is(err, tlsnet.ErrBusy):
				busy++
			default:
				t.Errorf("got %v, want ErrBusy", err)
			}
		})
	}
	wg.Wait()
	if most > 4 || joined == 0 || joined > 5 || busy == 0 {
		t.Errorf("%d joined, %d were told to wait, %d ran at a time", joined, busy, most)
	}
}
