//go:build linux

package wan

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const controlTimeout = 5 * time.Second

// socket is where the process that runs a network takes commands.
func socket(name string) string { return "/run/geonet-" + name + ".sock" }

// listenControl takes the name, unless a living process has it.
func listenControl(name string) (net.Listener, error) {
	if c, err := net.Dial("unix", socket(name)); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("%w: %s", ErrUp, name)
	}
	if err := os.Remove(socket(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("wan: %w", err)
	}
	return net.Listen("unix", socket(name))
}

// Control sends one command to the process that runs a network, and returns its answer. The commands are
//
//	cut HOSTS [HOSTS]        the hosts lose each other, or the first ones all others
//	cut-way HOSTS HOSTS      packets from the first to the second are lost
//	heal                     all cuts are mended
//	link HOSTS HOSTS [-rtt D] [-jitter D] [-loss P]
//	status
//
// where HOSTS are numbers with commas between them.
func Control(name string, words ...string) (answer string, err error) {
	c, err := net.DialTimeout("unix", socket(name), controlTimeout)
	if err != nil {
		return "", fmt.Errorf("wan: is network %s up? %w", name, err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(controlTimeout))
	fmt.Fprintln(c, strings.Join(words, " "))
	raw, err := io.ReadAll(c)
	if err != nil {
		return "", fmt.Errorf("wan: %w", err)
	}
	text := strings.TrimSuffix(string(raw), "\n")
	if message, failed := strings.CutPrefix(text, "error: "); failed {
		return "", errors.New("wan: " + message)
	}
	return text, nil
}

// serveControl obeys one command per connection, one after the other, until the listener is closed.
func (n *Net) serveControl() {
	for {
		c, err := n.control.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(controlTimeout))
		line, _ := bufio.NewReader(io.LimitReader(c, 4<<10)).ReadString('\n')
		answer, err := n.obey(strings.Fields(line))
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Fprintln(c, answer)
		_ = c.Close()
	}
}

// obey does what a command says.
func (n *network) obey(words []string) (answer string, err error) {
	if len(words) == 0 {
		return "", errors.New("no command")
	}
	verb, words := words[0], words[1:]
	wanted := map[string][2]int{"cut": {1, 2}, "cut-way": {2, 2}, "heal": {0, 0}, "link": {2, 8}, "status": {0, 0}}
	limits, known := wanted[verb]
	if !known || len(words) < limits[0] || len(words) > limits[1] {
		return "", fmt.Errorf("usage: cut HOSTS [HOSTS], cut-way HOSTS HOSTS, heal, link HOSTS HOSTS [-rtt D] [-jitter D] [-loss P], status; got %q", verb)
	}
	var lists [2][]int
	for i := range min(len(words), len(lists)) {
		if lists[i], err = parseHosts(words[i]); err != nil {
			return "", err
		}
	}
	switch verb {
	case "cut":
		err = n.Cut(lists[0], lists[1]...)
	case "cut-way":
		err = n.CutWay(lists[0], lists[1])
	case "heal":
		n.Heal()
	case "link":
		err = n.setFromFlags(lists[0], lists[1], words[2:])
	default:
		return n.Status(), nil
	}
	return "ok", err
}

func parseHosts(s string) (list []int, err error) {
	for f := range strings.SplitSeq(s, ",") {
		i, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("no host %q", f)
		}
		if !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	return list, nil
}

func (n *network) setFromFlags(a, b []int, args []string) error {
	var c Change
	fs := flag.NewFlagSet("link", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	duration := func(to **time.Duration) func(string) error {
		return func(s string) error {
			d, err := time.ParseDuration(s)
			if err == nil && d < 0 {
				err = errors.New("negative")
			}
			*to = &d
			return err
		}
	}
	fs.Func("rtt", "", duration(&c.RTT))
	fs.Func("jitter", "", duration(&c.Jitter))
	fs.Func("loss", "", func(s string) error {
		p, err := strconv.ParseFloat(s, 64)
		if err == nil && (p < 0 || p > 1) {
			err = errors.New("not between 0 and 1")
		}
		c.Loss = &p
		return err
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected %q", fs.Arg(0))
	}
	return n.Set(a, b, c)
}
