//go:build linux

package wan

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

var began = time.Unix(1000, 0)

// packetOf makes an IPv4 packet from one host to another, with a number in it.
func packetOf(from, to, number, size int) []byte {
	p := make([]byte, max(size, ipv4HeaderSize+4))
	p[0] = 0x45
	copy(p[12:], []byte{subnetA, subnetB, byte(from), 2})
	copy(p[16:], []byte{subnetA, subnetB, byte(to), 2})
	binary.BigEndian.PutUint32(p[ipv4HeaderSize:], uint32(number))
	return p
}

// arrivals runs the network until nothing is on its way, and notes when each numbered packet came.
func arrivals(n *network) (numbers []int, at []time.Duration) {
	now := began
	for {
		due, wait := n.ready(now)
		for _, p := range due {
			numbers = append(numbers, int(binary.BigEndian.Uint32(p[ipv4HeaderSize:])))
			at = append(at, now.Sub(began))
		}
		if wait < 0 {
			return numbers, at
		}
		now = now.Add(wait)
	}
}

func TestPacketsTakeHalfARoundTrip(t *testing.T) {
	n := newNetwork(Config{Hosts: 3, Zones: []string{"a", "a", "b"}, RTT: 100 * time.Millisecond, Local: 2 * time.Millisecond}, 1)
	n.accept(began, packetOf(1, 3, 13, 100))
	n.accept(began, packetOf(1, 2, 12, 100))
	numbers, at := arrivals(n)
	if !slices.Equal(numbers, []int{12, 13}) || !slices.Equal(at, []time.Duration{time.Millisecond, 50 * time.Millisecond}) {
		t.Errorf("got %v at %v", numbers, at)
	}
}

func TestJitterKeepsPacketsOfAPairInOrder(t *testing.T) {
	n := newNetwork(Config{Hosts: 2, RTT: 100 * time.Millisecond, Jitter: 80 * time.Millisecond}, 1)
	for i := range 1000 {
		n.accept(began.Add(time.Duration(i)*time.Microsecond), packetOf(1, 2, i, 0))
	}
	numbers, at := arrivals(n)
	if len(numbers) != 1000 || !slices.IsSorted(numbers) {
		t.Errorf("%d packets came, in order: %v", len(numbers), slices.IsSorted(numbers))
	}
	if first, last := at[0], at[999]; first < 10*time.Millisecond || last > 91*time.Millisecond || first == last {
		t.Errorf("they came between %v and %v, want them within 50 ± 40 ms", first, last)
	}
}

func TestUplinkRateAndItsBuffer(t *testing.T) {
	n := newNetwork(Config{Hosts: 2, UplinkMbit: 8}, 1) // a million bytes per second
	for i := range 1000 {
		n.accept(began, packetOf(1, 2, i, 1000))
	}
	numbers, at := arrivals(n)
	if len(numbers) != 501 {
		t.Errorf("%d packets passed at once, want those of the first half second", len(numbers))
	}
	if last := at[len(at)-1]; last != 501*time.Millisecond {
		t.Errorf("501 kB took %v at 1 MB/s", last)
	}
	n.accept(began, packetOf(2, 1, 7, 1000))
	if numbers, _ := arrivals(n); len(numbers) != 1 {
		t.Error("the other host's uplink is full too")
	}
}

func TestCutsAndHealing(t *testing.T) {
	for name, test := range map[string]struct {
		command string
		passing []string // from-to
	}{
		"nothing cut":             {"heal", []string{"1-2", "1-3", "2-1", "2-3", "3-1", "3-2"}},
		"one host alone":          {"cut 3", []string{"1-2", "2-1"}},
		"two from a third":        {"cut 1,2 3", []string{"1-2", "2-1"}},
		"one pair":                {"cut 1 2", []string{"1-3", "2-3", "3-1", "3-2"}},
		"one direction of a pair": {"cut-way 1 2", []string{"1-3", "2-1", "2-3", "3-1", "3-2"}},
		"everything lost":         {"link 1,2,3 1,2,3 -loss 1", nil},
	} {
		n := newNetwork(Config{Hosts: 3}, 1)
		if _, err := n.obey(strings.Fields(test.command)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := passing(n); !slices.Equal(got, test.passing) {
			t.Errorf("%s: got %v, want %v", name, got, test.passing)
		}
		if _, err := n.obey([]string{"heal"}); err != nil {
			t.Error(err)
		}
		if got := passing(n); test.passing != nil && len(got) != 6 {
			t.Errorf("%s: after healing only %v pass", name, got)
		}
	}
}

// passing names the pairs between which a packet arrives.
func passing(n *network) (list []string) {
	for from := 1; from <= 3; from++ {
		for to := 1; to <= 3; to++ {
			if from != to {
				n.accept(began, packetOf(from, to, 10*from+to, 0))
			}
		}
	}
	numbers, _ := arrivals(n)
	for _, i := range numbers {
		list = append(list, string([]byte{byte('0' + i/10), '-', byte('0' + i%10)}))
	}
	slices.Sort(list)
	return list
}

func TestLossIsAboutWhatWasAsked(t *testing.T) {
	n := newNetwork(Config{Hosts: 2, Loss: 0.2}, 7)
	for i := range 10000 {
		n.accept(began, packetOf(1, 2, i, 0))
	}
	if numbers, _ := arrivals(n); len(numbers) < 7800 || len(numbers) > 8200 {
		t.Errorf("%d of 10000 arrived, want about 8000", len(numbers))
	}
}

func TestStrangePacketsAreDropped(t *testing.T) {
	n := newNetwork(Config{Hosts: 2}, 1)
	v6 := packetOf(1, 2, 0, 0)
	v6[0] = 0x60
	elsewhere := packetOf(1, 2, 0, 0)
	copy(elsewhere[16:], []byte{8, 8, 8, 8})
	for name, p := range map[string][]byte{
		"empty": nil, "short": {0x45, 0}, "IPv6": v6, "to the world": elsewhere, "to no host": packetOf(1, 3, 0, 0),
	} {
		if n.accept(began, p) {
			t.Errorf("%s: was taken", name)
		}
	}
	if numbers, _ := arrivals(n); len(numbers) > 0 || n.mu.dropped != 5 {
		t.Errorf("%d arrived, %d dropped", len(numbers), n.mu.dropped)
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	n := newNetwork(Config{Hosts: 2, RTT: time.Hour}, 1)
	big := packetOf(1, 2, 0, 60000)
	for range heldBytesMax/60000 + 100 {
		n.accept(began, big)
	}
	if n.mu.heldBytes > heldBytesMax || n.mu.heldBytes < heldBytesMax-60000 || n.mu.dropped < 100 {
		t.Errorf("%d bytes are held, %d packets dropped", n.mu.heldBytes, n.mu.dropped)
	}
}

func TestBadCommandsChangeNothing(t *testing.T) {
	for _, command := range []string{
		"", "fly", "cut", "cut 4", "cut 1 0", "cut x", "cut 1 2 3", "cut-way 1", "heal 1", "link 1 2 -rtt fast",
		"link 1 2 -loss 2", "link 1 2 -rtt -5ms", "link 1 2 3", "link 1 9 -loss 1", "status all",
	} {
		n := newNetwork(Config{Hosts: 3}, 1)
		if answer, err := n.obey(strings.Fields(command)); err == nil {
			t.Errorf("%q: got %q, want an error", command, answer)
		}
		if got := passing(n); len(got) != 6 {
			t.Errorf("%q: only %v pass", command, got)
		}
	}
}

func TestStatusTellsDelaysAndCuts(t *testing.T) {
	n := newNetwork(Config{Hosts: 3, RTT: 40 * time.Millisecond}, 1)
	for _, command := range []string{"link 1 2 -rtt 300ms -jitter 10ms -loss 0.02", "cut-way 2 1", "cut 3 1"} {
		if _, err := n.obey(strings.Fields(command)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := n.obey([]string{"status"})
	want := "1-2  rtt 300ms ± 10ms  loss 0.020  CUT 2 to 1\n1-3  rtt 40ms ± 0s  loss 0.000  CUT\n" +
		"2-3  rtt 40ms ± 0s  loss 0.000\npackets passed 0, dropped 0"
	if got != want || err != nil {
		t.Errorf("got\n%s, %v, want\n%s", got, err, want)
	}
}

func TestConfigsThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]Config{
		"no hosts": {}, "too many": {Hosts: 255}, "zones for others": {Hosts: 3, Zones: []string{"a"}},
		"loss": {Hosts: 2, Loss: 1.5}, "negative": {Hosts: 2, RTT: -1}, "name": {Hosts: 2, Name: "a/b"},
	} {
		c = c.withDefaults()
		if c.validate() == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}
