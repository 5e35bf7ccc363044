package tlsnet_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	tlsnet "grange/internal/transport/tls"
)

func hostAddr(n int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(n))
	return netip.AddrFrom4(a)
}

func TestOneHostCannotTakeAllPlaces(t *testing.T) {
	e := tlsnet.NewEntry()
	greedy := 0
	for e.Enter(hostAddr(1)) {
		greedy++
	}
	if greedy == 0 || !e.Enter(hostAddr(2)) {
		t.Fatalf("after %d places of one host, another gets none", greedy)
	}
	total := greedy + 1
	for n := 3; e.Enter(hostAddr(n)); n++ {
		total++
	}
	if total > 600 {
		t.Errorf("%d places were given", total)
	}
	e.Leave(hostAddr(1))
	if !e.Enter(hostAddr(9999)) {
		t.Error("a place that was given back is lost")
	}
}

func TestJoinsOfAHostAreLimited(t *testing.T) {
	l := tlsnet.NewJoinLimits()
	now := time.Now()
	tries := 0
	for l.MayTry(hostAddr(1), now) {
		tries++
	}
	if tries != 5 {
		t.Errorf("%d tries at once, want 5", tries)
	}
	if !l.MayTry(hostAddr(2), now) {
		t.Error("another host must wait too")
	}
	if l.MayTry(hostAddr(1), now.Add(time.Second)) || !l.MayTry(hostAddr(1), now.Add(2*time.Second)) {
		t.Error("want one more try after two seconds")
	}
}

func TestManyHostsCannotFillTheMemoryOfJoins(t *testing.T) {
	l := tlsnet.NewJoinLimits()
	now := time.Now()
	for n := range 1024 {
		if !l.MayTry(hostAddr(n), now) {
			t.Fatalf("host %d is refused", n)
		}
	}
	if l.MayTry(hostAddr(5000), now) {
		t.Error("one host more than can be remembered got a try")
	}
	if !l.MayTry(hostAddr(5000), now.Add(time.Minute)) {
		t.Error("hosts that were quiet for a minute are not forgotten")
	}
}

func TestSameReportComesOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := tlsnet.NewQuiet()
		if !q.Allow(hostAddr(1), "a") || q.Allow(hostAddr(1), "a") {
			t.Error("want the first report and not the second")
		}
		if !q.Allow(hostAddr(1), "b") || !q.Allow(hostAddr(2), "a") {
			t.Error("other reports are held back")
		}
		time.Sleep(time.Minute)
		if !q.Allow(hostAddr(1), "a") {
			t.Error("want it again after a minute")
		}
		allowed := 0
		for n := range 10000 {
			if q.Allow(hostAddr(100+n), "flood") {
				allowed++
			}
		}
		if allowed > 256 {
			t.Errorf("a flood made %d reports", allowed)
		}
	})
}
