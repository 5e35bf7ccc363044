//go:build linux

// Package wan lays out a small wide-area network on one Linux machine, so that a cluster can be run, measured and broken
// as if its nodes stood in different towns.
//
// Every host is a network namespace (gn1, gn2, …) with the address 10.77.N.2. All packets between hosts pass through
// one hub namespace, where this process reads them from a TUN device, holds each one for the delay of its pair of
// hosts, and writes it back for the kernel to deliver. No netem is needed, and the kernel of the machine keeps no
// rules: when the namespaces are gone, nothing is left.
//
//	gn1 10.77.1.2 ──veth── 10.77.1.1 ┐                        ┌ 10.77.2.1 ──veth── 10.77.2.2 gn2
//	                                 ├ gnhub ── TUN ── [Net] ─┤
//	gn3 10.77.3.2 ──veth── 10.77.3.1 ┘                        └ …
//
// Packets of one pair and direction stay in order. An uplink with a rate has a buffer of half a second, past which
// packets are dropped, as a home router does. Several networks may be up at a time, with different names.
//
// Needs root, iproute2 and /dev/net/tun.
package wan
