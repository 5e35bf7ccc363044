//go:build !linux

package tlsnet

import "net"

// tune has nothing to set: the defaults of the system hold.
func tune(net.Conn) {}

// segments is not known here.
func segments(net.Conn) (sent, again uint64) { return 0, 0 }
