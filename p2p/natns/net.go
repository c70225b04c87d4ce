package natns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Namespace is one of a Net's hosts.
type Namespace struct {
	Name string // as `ip netns` knows it
	IP   string // the host's address; of a nat, the public one
}

// Net is an internet with two homes. Its methods may be called from any
// goroutine.
type Net struct {
	Public       Namespace
	NATA, NATB   Namespace
	HomeA, HomeB Namespace
}

// commandTime bounds one configuration command.
const commandTime = 10 * time.Second

// New makes the namespaces and connects them. On an error nothing is left
// behind.
func New(ctx context.Context) (*Net, error) {
	var id [4]byte
	rand.Read(id[:]) //nolint:errcheck // it never fails (crypto/rand)
	prefix := "mpc-" + hex.EncodeToString(id[:]) + "-"
	n := &Net{
		Public: Namespace{Name: prefix + "public", IP: "5.0.0.1"},
		NATA:   Namespace{Name: prefix + "nat-a", IP: "5.0.0.2"},
		NATB:   Namespace{Name: prefix + "nat-b", IP: "5.0.0.3"},
		HomeA:  Namespace{Name: prefix + "home-a", IP: "10.1.0.2"},
		HomeB:  Namespace{Name: prefix + "home-b", IP: "10.2.0.2"},
	}
	if err := n.build(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Net) all() []Namespace { return []Namespace{n.Public, n.NATA, n.NATB, n.HomeA, n.HomeB} }

func (n *Net) build(ctx context.Context) error {
	for _, ns := range n.all() {
		if err := run(ctx, "ip", "netns", "add", ns.Name); err != nil {
			return fmt.Errorf("natns: namespaces need root, iproute2 and a kernel that has them: %w", err)
		}
		if err := run(ctx, "ip", "-n", ns.Name, "link", "set", "lo", "up"); err != nil {
			return err
		}
	}
	err := script(ctx, n.Public, `
		link add internet type bridge
		addr add 5.0.0.1/24 dev internet
		link set internet up`)
	if err != nil {
		return err
	}
	if err := n.attach(ctx, n.NATA, n.HomeA, "to-a"); err != nil {
		return err
	}
	return n.attach(ctx, n.NATB, n.HomeB, "to-b")
}

// attach puts a home behind its nat and the nat onto the bridge. In the nat, wan
// is the side of the public, lan that of the home.
func (n *Net) attach(ctx context.Context, nat, home Namespace, port string) error {
	gateway := strings.TrimSuffix(home.IP, "2") + "1"
	err := script(ctx, nat, fmt.Sprintf(`
		link add wan type veth peer name %[1]s netns %[2]s
		link add lan type veth peer name eth netns %[3]s
		addr add %[4]s/24 dev wan
		addr add %[5]s/24 dev lan
		link set wan up
		link set lan up
		route add default via 5.0.0.1`, port, n.Public.Name, home.Name, nat.IP, gateway))
	if err != nil {
		return err
	}
	err = script(ctx, n.Public, fmt.Sprintf(`
		link set dev %[1]s master internet
		link set dev %[1]s up`, port))
	if err != nil {
		return err
	}
	err = script(ctx, home, fmt.Sprintf(`
		addr add %s/24 dev eth
		link set eth up
		route add default via %s`, home.IP, gateway))
	if err != nil {
		return err
	}
	if err := run(ctx, "ip", "netns", "exec", nat.Name, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"); err != nil {
		return err
	}
	return feed(exec.CommandContext(ctx, "ip", "netns", "exec", nat.Name, "nft", "-f", "-"), rules)
}

// rules are a home router's: sources are translated on the way out, and what
// comes in has to belong to something that went out.
const rules = `
table ip home {
	chain out {
		type nat hook postrouting priority srcnat
		oifname "wan" masquerade
	}
	chain pass {
		type filter hook forward priority filter; policy drop
		iifname "lan" accept
		ct state established,related accept
	}
	chain in {
		type filter hook input priority filter; policy drop
		iifname { "lan", "lo" } accept
		ct state established,related accept
	}
}
`

// Exec is a command that runs in a namespace when it is started; its process is
// the command's own. The end of ctx kills it.
func (n *Net) Exec(ctx context.Context, ns Namespace, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns.Name, name}, args...)...)
}

// Close removes the namespaces. Processes in them should have ended: a namespace
// lives on, without a name, as long as one of them does.
func (n *Net) Close() error {
	var errs []error
	known, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return fmt.Errorf("natns: list of namespaces: %w", err)
	}
	for _, ns := range n.all() {
		if strings.Contains(string(known), ns.Name) {
			errs = append(errs, run(context.Background(), "ip", "netns", "del", ns.Name))
		}
	}
	return errors.Join(errs...)
}

// script runs lines of ip's in a namespace.
func script(ctx context.Context, ns Namespace, lines string) error {
	return feed(exec.CommandContext(ctx, "ip", "-n", ns.Name, "-batch", "-"), lines)
}

func run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	return feed(exec.CommandContext(ctx, name, args...), "")
}

func feed(cmd *exec.Cmd, input string) error {
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
