//go:build linux

package wan

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	hostsMax         = 254
	subnetA, subnetB = 10, 77
	uplinkBuffer     = 500 * time.Millisecond // of an uplink with a rate: so long a queue, then packets are dropped
	heldBytesMax     = 128 << 20              // of all packets that are on their way
	ipv4HeaderSize   = 20
)

// Config describes a network. Zero durations and rates mean none.
type Config struct {
	// Name begins the names of the namespaces; empty means "gn".
	Name string
	// Hosts is how many there are, 1 to 254.
	Hosts int
	// Zones names the zone of each host; empty puts each into its own.
	Zones []string
	// RTT is the round trip between zones, and Jitter by how much it varies up and down.
	RTT, Jitter time.Duration
	// Local is the round trip within a zone.
	Local time.Duration
	// UplinkMbit is what a host can send to other zones, in Mbit/s; 0 for no limit.
	UplinkMbit int
	// Loss is the share of packets lost between zones, 0 to 1.
	Loss float64
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "gn"
	}
	return c
}

func (c *Config) validate() error {
	switch {
	case c.Hosts < 1 || c.Hosts > hostsMax:
		return fmt.Errorf("%d hosts: give 1 to %d", c.Hosts, hostsMax)
	case len(c.Zones) > 0 && len(c.Zones) != c.Hosts:
		return fmt.Errorf("zones are given for %d hosts of %d", len(c.Zones), c.Hosts)
	case c.Loss < 0 || c.Loss > 1:
		return fmt.Errorf("loss %v: give a share between 0 and 1", c.Loss)
	case c.RTT < 0 || c.Jitter < 0 || c.Local < 0 || c.UplinkMbit < 0:
		return errors.New("a time or rate is negative")
	case len(c.Name) > 8 || strings.ContainsFunc(c.Name, func(r rune) bool { return r < 'a' || r > 'z' }):
		return fmt.Errorf("name %q: give 1 to 8 letters a to z", c.Name)
	default:
		return nil
	}
}

// link is how packets travel from one host to another.
type link struct {
	delay, jitter time.Duration // one way
	loss          float64
	cut           bool
	last          time.Time // when the packet before is delivered: the next one is not earlier
}

// packet is one on its way.
type packet struct {
	due  time.Time
	seq  uint64 // orders packets that are due together
	data []byte
}

type packets []packet

func (q packets) Len() int { return len(q) }
func (q packets) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].seq < q[j].seq
	}
	return q[i].due.Before(q[j].due)
}
func (q packets) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *packets) Push(x any)   { *q = append(*q, x.(packet)) }
func (q *packets) Pop() any {
	old := *q
	p := old[len(old)-1]
	old[len(old)-1] = packet{}
	*q = old[:len(old)-1]
	return p
}

// network decides what becomes of each packet. It has no clock and no device of its own.
type network struct {
	hosts int
	zone  []string // by host, from 1
	rate  float64  // of each uplink, bytes per second; 0 for no limit
	mu    struct {
		sync.Mutex
		random          *rand.Rand
		links           map[[2]int]*link
		uplink          []time.Time // when the uplink of each host is free again
		held            packets
		heldBytes       int
		seq             uint64
		passed, dropped uint64
	}
}

func newNetwork(c Config, seed uint64) *network {
	n := &network{hosts: c.Hosts, rate: float64(c.UplinkMbit) * 1e6 / 8, zone: make([]string, c.Hosts+1)}
	n.mu.random = rand.New(rand.NewPCG(seed, 0))
	n.mu.links = map[[2]int]*link{}
	n.mu.uplink = make([]time.Time, c.Hosts+1)
	for i := 1; i <= c.Hosts; i++ {
		n.zone[i] = strconv.Itoa(i)
		if len(c.Zones) > 0 {
			n.zone[i] = c.Zones[i-1]
		}
	}
	for i := 1; i <= c.Hosts; i++ {
		for j := 1; j <= c.Hosts; j++ {
			l := &link{delay: c.RTT / 2, jitter: c.Jitter / 2, loss: c.Loss}
			if n.zone[i] == n.zone[j] {
				l = &link{delay: c.Local / 2}
			}
			n.mu.links[[2]int{i, j}] = l
		}
	}
	return n
}

// hostOf is the number of the host that owns an IPv4 address, or 0.
func (n *network) hostOf(ip []byte) int {
	if ip[0] == subnetA && ip[1] == subnetB && int(ip[2]) <= n.hosts {
		return int(ip[2])
	}
	return 0
}

// accept takes a packet, which it copies, and tells whether it is now the next one to be delivered.
func (n *network) accept(now time.Time, data []byte) (next bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	due, ok := n.dueLocked(now, data)
	if !ok {
		n.mu.dropped++
		return false
	}
	n.mu.seq++
	n.mu.passed++
	n.mu.heldBytes += len(data)
	heap.Push(&n.mu.held, packet{due: due, seq: n.mu.seq, data: slices.Clone(data)})
	return n.mu.held[0].seq == n.mu.seq
}

// dueLocked says when a packet is delivered, if it is.
func (n *network) dueLocked(now time.Time, data []byte) (due time.Time, ok bool) {
	if len(data) < ipv4HeaderSize || data[0]>>4 != 4 || n.mu.heldBytes+len(data) > heldBytesMax {
		return now, false
	}
	from, to := n.hostOf(data[12:16]), n.hostOf(data[16:20])
	l := n.mu.links[[2]int{from, to}]
	if l == nil || l.cut || l.loss > 0 && n.mu.random.Float64() < l.loss {
		return now, false
	}
	due = now
	if n.rate > 0 && n.zone[from] != n.zone[to] {
		free := n.mu.uplink[from]
		if free.Before(now) {
			free = now
		}
		if free.Sub(now) > uplinkBuffer {
			return now, false
		}
		due = free.Add(time.Duration(float64(len(data)) / n.rate * float64(time.Second)))
		n.mu.uplink[from] = due
	}
	due = due.Add(l.delay)
	if l.jitter > 0 {
		due = due.Add(time.Duration((n.mu.random.Float64()*2 - 1) * float64(l.jitter)))
	}
	if due.Before(l.last) {
		due = l.last
	}
	l.last = due
	return due, true
}

// ready gives the packets to be delivered now, and how long to wait for the next one; wait is negative when there is none.
func (n *network) ready(now time.Time) (due [][]byte, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.mu.held) > 0 && !n.mu.held[0].due.After(now) {
		p := heap.Pop(&n.mu.held).(packet)
		n.mu.heldBytes -= len(p.data)
		due = append(due, p.data)
	}
	if len(n.mu.held) == 0 {
		return due, -1
	}
	return due, n.mu.held[0].due.Sub(now)
}

// each calls f for the links from each of one list of hosts to each of another.
func (n *network) each(from, to []int, f func(*link)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range slices.Concat(from, to) {
		if i < 1 || i > n.hosts {
			return fmt.Errorf("no host %d", i)
		}
	}
	for _, i := range from {
		for _, j := range to {
			f(n.mu.links[[2]int{i, j}])
		}
	}
	return nil
}

// others are all hosts that are not in a list.
func (n *network) others(hosts []int) (list []int) {
	for i := 1; i <= n.hosts; i++ {
		if !slices.Contains(hosts, i) {
			list = append(list, i)
		}
	}
	return list
}

// CutWay loses all packets from some hosts to others, which may still send.
func (n *network) CutWay(from, to []int) error {
	return n.each(from, to, func(l *link) { l.cut = true })
}

// Cut separates hosts from others, or from all others if no others are named.
func (n *network) Cut(hosts []int, others ...int) error {
	if len(others) == 0 {
		others = n.others(hosts)
	}
	return errors.Join(n.CutWay(hosts, others), n.CutWay(others, hosts))
}

// Heal mends all cuts.
func (n *network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.mu.links {
		l.cut = false
	}
}

// Change is what a link is to become. Fields that are nil stay.
type Change struct {
	RTT, Jitter *time.Duration
	Loss        *float64
}

// Set changes the links between hosts, in both directions.
func (n *network) Set(a, b []int, c Change) error {
	change := func(l *link) {
		if c.RTT != nil {
			l.delay = *c.RTT / 2
		}
		if c.Jitter != nil {
			l.jitter = *c.Jitter / 2
		}
		if c.Loss != nil {
			l.loss = *c.Loss
		}
	}
	return errors.Join(n.each(a, b, change), n.each(b, a, change))
}

// Status describes all links and counts the packets, a line each.
func (n *network) Status() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	for i := 1; i <= n.hosts; i++ {
		for j := i + 1; j <= n.hosts; j++ {
			there, back := n.mu.links[[2]int{i, j}], n.mu.links[[2]int{j, i}]
			fmt.Fprintf(&b, "%d-%d  rtt %v ± %v  loss %.3f%s\n", i, j, 2*there.delay, 2*there.jitter, there.loss, cuts(i, j, there, back))
		}
	}
	fmt.Fprintf(&b, "packets passed %d, dropped %d", n.mu.passed, n.mu.dropped)
	return b.String()
}

func cuts(i, j int, there, back *link) string {
	switch {
	case there.cut && back.cut:
		return "  CUT"
	case there.cut:
		return fmt.Sprintf("  CUT %d to %d", i, j)
	case back.cut:
		return fmt.Sprintf("  CUT %d to %d", j, i)
	default:
		return ""
	}
}
