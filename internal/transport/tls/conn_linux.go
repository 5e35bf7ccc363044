package tlsnet

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unackedMax is how long data may stay unacknowledged before the kernel gives a connection up (RFC 5482). It also ends
// one whose receiver has taken nothing for as long; such a receiver is stuck.
const unackedMax = 30 * time.Second

// tune sets what the net package has no call for. A connection works without it.
func tune(c net.Conn) {
	withSocket(c, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unackedMax.Milliseconds()))
	})
}

// segments reports how many TCP segments were sent on a connection, and how many of them again.
func segments(c net.Conn) (sent, again uint64) {
	withSocket(c, func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			sent, again = uint64(info.Segs_out), uint64(info.Total_retrans)
		}
	})
	return sent, again
}

func withSocket(c net.Conn, f func(fd int)) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
