//go:build linux

package wan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	tunName = "hub0"
	table   = "77" // of the hub's routes to the TUN device
)

// ErrUp reports that a network of the name is up already, in this or another process.
var ErrUp = errors.New("wan: a network of this name is up already")

// Net is a network that is up.
type Net struct {
	*network
	name    string
	tun     *os.File
	control net.Listener
	wake    chan struct{}
}

// Up makes the namespaces and devices. Packets pass only while Run runs. What a crashed process left under the same
// name is removed first. Down must be called in the end.
func Up(c Config) (*Net, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("wan: %w", err)
	}
	control, err := listenControl(c.Name)
	if err != nil {
		return nil, err
	}
	n := &Net{network: newNetwork(c, rand.Uint64()), name: c.Name, control: control, wake: make(chan struct{}, 1)}
	err = Remove(c.Name)
	if err == nil {
		err = n.lay()
	}
	if err == nil {
		err = n.inNamespace(n.hub(), n.openHub)
	}
	if err != nil {
		return nil, errors.Join(err, n.Down())
	}
	return n, nil
}

// Run carries packets and obeys the commands of other processes until ctx ends. It returns nil then, or the error with
// which the device failed.
func (n *Net) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = n.tun.SetReadDeadline(time.Unix(1, 0))
		_ = n.control.Close()
	})
	defer stop()
	wg.Go(func() { n.deliver(ctx) })
	wg.Go(n.serveControl)
	buf := make([]byte, 64<<10)
	for {
		size, err := n.tun.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			cancel()
			return fmt.Errorf("wan: read %s: %w", tunName, err)
		}
		if n.accept(time.Now(), buf[:size]) {
			n.wakeUp()
		}
	}
}

func (n *Net) wakeUp() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// deliver writes each packet back when its time has come.
func (n *Net) deliver(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, wait := n.ready(time.Now())
		for _, data := range due {
			_, _ = n.tun.Write(data) // what the kernel does not take is lost, like any packet
		}
		if len(due) > 0 {
			continue
		}
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-n.wake:
		}
	}
}

// Down removes everything that Up made. Programs that still run in the namespaces lose their network.
func (n *Net) Down() error {
	_ = n.control.Close()
	if n.tun != nil {
		_ = n.tun.Close()
	}
	return Remove(n.name)
}

// Address is the IPv4 address of a host.
func Address(host int) string { return fmt.Sprintf("%d.%d.%d.2", subnetA, subnetB, host) }

// Namespace is the name of a host's namespace, for `ip netns exec`.
func (n *Net) Namespace(host int) string { return n.name + strconv.Itoa(host) }

func (n *Net) hub() string { return n.name + "hub" }

// Command is a program that runs on a host.
func (n *Net) Command(ctx context.Context, host int, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", n.Namespace(host), name}, args...)...)
}

// In calls f on a thread that is on a host: sockets that f itself opens, to literal addresses, are the host's, and stay so. Goroutines that f
// starts are not on the host.
func (n *Net) In(host int, f func() error) error { return n.inNamespace(n.Namespace(host), f) }

// inNamespace runs f with the thread's network namespace changed. A thread that cannot be changed back ends with its
// goroutine.
func (n *Net) inNamespace(name string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		result <- func() error {
			before, err := os.Open("/proc/thread-self/ns/net")
			if err != nil {
				return err
			}
			defer func() { _ = before.Close() }()
			there, err := os.Open("/run/netns/" + name)
			if err != nil {
				return err
			}
			defer func() { _ = there.Close() }()
			if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter %s: %w", name, err)
			}
			err = f()
			if back := unix.Setns(int(before.Fd()), unix.CLONE_NEWNET); back != nil {
				return errors.Join(err, back)
			}
			runtime.UnlockOSThread()
			return err
		}()
	}()
	if err := <-result; err != nil {
		return fmt.Errorf("wan: in %s: %w", name, err)
	}
	return nil
}

// lay makes the namespaces, and the wires between hosts and hub.
func (n *Net) lay() error {
	var root, hub []string
	root = append(root, "netns add "+n.hub())
	hub = append(hub, "link set lo up", "tuntap add dev "+tunName+" mode tun", "link set "+tunName+" up",
		"route add default dev "+tunName+" table "+table)
	for i := 1; i <= n.hosts; i++ {
		port := "port" + strconv.Itoa(i)
		root = append(root, "netns add "+n.Namespace(i),
			fmt.Sprintf("link add eth0 netns %s type veth peer name %s netns %s", n.Namespace(i), port, n.hub()))
		hub = append(hub, fmt.Sprintf("addr add %s/24 dev %s", gateway(i), port), "link set "+port+" up",
			"rule add iif "+port+" lookup "+table)
	}
	if err := errors.Join(batch("", root), batch(n.hub(), hub)); err != nil {
		return err
	}
	for i := 1; i <= n.hosts; i++ {
		err := batch(n.Namespace(i), []string{
			"addr add " + Address(i) + "/24 dev eth0", "link set lo up", "link set eth0 up", "route add default via " + gateway(i),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func gateway(host int) string { return fmt.Sprintf("%d.%d.%d.1", subnetA, subnetB, host) }

// openHub runs inside the hub: its settings and devices are those of the thread's namespace.
func (n *Net) openHub() error {
	for path, value := range map[string]string{
		"ip_forward": "1", "conf/all/rp_filter": "0", "conf/default/rp_filter": "0",
		"conf/" + tunName + "/rp_filter": "0", "conf/all/accept_local": "1",
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+path, []byte(value), 0); err != nil {
			return err
		}
	}
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	var req [40]byte // struct ifreq: name, then flags
	copy(req[:15], tunName)
	binary.NativeEndian.PutUint16(req[16:], syscall.IFF_TUN|syscall.IFF_NO_PI)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&req[0])))
	if errno != 0 {
		_ = syscall.Close(fd)
		return fmt.Errorf("attach to %s: %w", tunName, errno)
	}
	n.tun = os.NewFile(uintptr(fd), tunName)
	return nil
}

// batch runs commands of ip, in a namespace if one is named.
func batch(namespace string, lines []string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("wan: ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Remove removes what a network of the name left behind. It is no error if there is nothing.
func Remove(name string) error {
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return fmt.Errorf("wan: ip netns list: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		namespace, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, ours := strings.CutPrefix(namespace, name)
		if _, err := strconv.Atoi(rest); ours && (err == nil || rest == "hub") {
			lines = append(lines, "netns del "+namespace)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return batch("", lines)
}
