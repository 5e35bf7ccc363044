//go:build linux

// Command geonet lays out a small wide-area network on one Linux machine, and changes it while it is in use. Package
// wan says how.
//
//	go run ./test/geonet up -hosts 5 -rtt 100ms -jitter 20ms     (stays in the foreground)
//	go run ./test/geonet up -hosts 6 -zones 1,1,2,2,3,3 -rtt 100ms -local 0.5ms -rate 100
//	ip netns exec gn1 grange server …                            (run a program on a host, 10.77.1.2)
//	go run ./test/geonet cut 3                                   (host 3 loses its fibre)
//	go run ./test/geonet cut 1,2 3                               (hosts 1 and 2 cannot reach 3)
//	go run ./test/geonet cut-way 1 2                             (packets from 1 to 2 are lost, the others arrive)
//	go run ./test/geonet link 1 2 -rtt 300ms -loss 0.02          (change one pair)
//	go run ./test/geonet heal                                    (all cuts mended)
//	go run ./test/geonet status
//	go run ./test/geonet down                                    (remove what a crash has left)
//
// GEONET_NAME names the network, where several are up at a time; the namespaces are then called after it.
//
// Needs root, iproute2 and /dev/net/tun.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"grange/test/geonet/wan"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "geonet:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	name := cmp.Or(os.Getenv("GEONET_NAME"), "gn")
	if len(args) == 0 {
		return errors.New("usage: geonet up|cut|cut-way|heal|link|status|down (go doc ./test/geonet tells more)")
	}
	switch args[0] {
	case "up":
		return up(name, args[1:])
	case "down":
		return wan.Remove(name)
	default:
		answer, err := wan.Control(name, args...)
		if err == nil {
			fmt.Println(answer)
		}
		return err
	}
}

// up runs a network until it is interrupted.
func up(name string, args []string) (err error) {
	c := wan.Config{Name: name}
	fs := flag.NewFlagSet("up", flag.ContinueOnError)
	fs.IntVar(&c.Hosts, "hosts", 3, "number of hosts")
	zones := fs.String("zones", "", "zone of each host, such as 1,1,2,2,3,3; hosts of one zone use -local")
	fs.DurationVar(&c.RTT, "rtt", 50*time.Millisecond, "round trip between zones")
	fs.DurationVar(&c.Jitter, "jitter", 0, "round trips vary by plus or minus this")
	fs.DurationVar(&c.Local, "local", 500*time.Microsecond, "round trip inside a zone")
	fs.IntVar(&c.UplinkMbit, "rate", 0, "uplink of each host in Mbit/s between zones, 0 for no limit")
	fs.Float64Var(&c.Loss, "loss", 0, "share of packets lost between zones, 0 to 1")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *zones != "" {
		c.Zones = strings.Split(*zones, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	n, err := wan.Up(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Down()) }()
	fmt.Printf("geonet: %d hosts up, round trip %v ± %v\n", c.Hosts, c.RTT, c.Jitter)
	return n.Run(ctx)
}
