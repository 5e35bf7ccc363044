package tlsnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts the bytes of connections, TLS included.
type meter struct{ received, sent atomic.Uint64 }

// add takes over what another meter has counted.
func (m *meter) add(other *meter) {
	m.received.Add(other.received.Load())
	m.sent.Add(other.sent.Load())
}

// trackedConn is a TCP connection whose bytes are counted and whose end is told once.
type trackedConn struct {
	net.Conn
	meter *meter
	once  sync.Once
	ended func(*trackedConn)
}

func (c *trackedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.meter.received.Add(uint64(n))
	return n, err
}

func (c *trackedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.meter.sent.Add(uint64(n))
	return n, err
}

// Close closes the connection.
func (c *trackedConn) Close() error {
	c.once.Do(func() { c.ended(c) })
	return c.Conn.Close()
}

// dialTCP connects to an address and tunes the connection.
func dialTCP(ctx context.Context, address string, deadAfter time.Duration) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive(deadAfter)}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tune(c)
	return c, nil
}

// keepAlive makes the kernel notice that the other machine is gone. Control streams notice sooner, by pings.
func keepAlive(deadAfter time.Duration) net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * deadAfter, Interval: max(deadAfter, time.Second), Count: 3}
}

// remoteOf is the address at the other end.
func remoteOf(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	}
	return netip.AddrPort{}
}

const (
	quietFor     = time.Minute
	quietEntries = 256
)

// quiet lets the same report through once a minute.
type quiet struct {
	mu struct {
		sync.Mutex
		last map[quietKey]time.Time
	}
}

type quietKey struct {
	host   netip.Addr
	reason string
}

func (q *quiet) init() { q.mu.last = map[quietKey]time.Time{} }

// allow tells whether to report now. It forgets old reports, and reports nothing new while it knows too many.
func (q *quiet) allow(host netip.Addr, reason string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, key := time.Now(), quietKey{host, reason}
	if t, known := q.mu.last[key]; known && now.Sub(t) < quietFor {
		return false
	}
	if len(q.mu.last) >= quietEntries {
		for k, t := range q.mu.last {
			if now.Sub(t) >= quietFor {
				delete(q.mu.last, k)
			}
		}
	}
	if len(q.mu.last) >= quietEntries {
		return false
	}
	q.mu.last[key] = now
	return true
}
