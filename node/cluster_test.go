package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

func TestMain(m *testing.M) {
	for env, child := range map[string]func(dir string) error{crashDirEnv: saveUntilKilled, poolDirEnv: takeUntilKilled} {
		if dir := os.Getenv(env); dir != "" { // this is a child of a test that kills
			fmt.Fprintln(os.Stderr, child(dir))
			os.Exit(1)
		}
	}
	leaktest.Main(m)
}

// cluster is real nodes with real keystores and a scripted coordinator.
type cluster struct {
	tb      testing.TB
	net     *p2ptest.Network
	coord   *scripted
	parties []*party
	tap     *wiretap // nil: nobody listens

	identities []ed25519.PrivateKey // of the parties; nil: new ones
	approver   ed25519.PrivateKey   // nil: a new one
}

// party is one running node.
type party struct {
	*p2ptest.Node
	c      *cluster
	node   *Node
	store  *keystore.Store
	dir    string
	cfg    func(*Config)
	onSave func(save *protocol.Save, done bool) error // of its nodes from the next start on; nil: none

	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// newCluster starts n parties and a coordinator that is connected to them.
func newCluster(tb testing.TB, cfg p2ptest.Config, n int, change func(*Config)) *cluster {
	tb.Helper()
	c := &cluster{tb: tb, net: p2ptest.New(tb, cfg)}
	c.populate(n, change)
	return c
}

func (c *cluster) populate(n int, change func(*Config)) {
	tb := c.tb
	tb.Helper()
	hosts := c.net.Pool(n, c.identify())
	coord := c.net.Add(p2p.RoleCoordinator)
	if c.approver == nil {
		_, approver, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		c.approver = approver
	}
	c.coord = newScripted(tb, coord.Host, c.net.Name, c.approver)
	c.coord.node = coord
	coord.Start()
	c.net.Mesh(append(hosts, coord)...)
	for _, h := range hosts {
		p := &party{Node: h, c: c, dir: tb.TempDir(), cfg: change}
		c.parties = append(c.parties, p)
		p.start()
		tb.Cleanup(p.stop)
	}
}

// identify gives the parties the cluster's identities, if it has some.
func (c *cluster) identify() func(*p2p.Config) {
	next := 0
	return func(cfg *p2p.Config) {
		if c.identities == nil {
			return
		}
		cfg.Identity = c.identities[next]
		next++
		m, err := p2p.VerifyCredential(c.net.Authority, c.net.Name, cfg.Credential, time.Now())
		if err != nil {
			c.tb.Fatal(err)
		}
		m.Peer = p2p.PeerOf(cfg.Identity.Public().(ed25519.PublicKey))
		cfg.Credential = c.net.Credential(m)
	}
}

// device adds a user's device, a guest of the coordinator's, which asks consent.
func (c *cluster) device(consent func(context.Context, *protocol.Spec, string) error) *party {
	c.tb.Helper()
	host := c.net.Add(p2p.RoleExternal, c.net.Invite(c.coord.node, time.Hour))
	host.Start()
	p := &party{Node: host, c: c, dir: c.tb.TempDir()}
	p.cfg = func(cfg *Config) { cfg.Role, cfg.Consent = protocol.External, consent }
	for _, other := range c.parties {
		c.net.Mesh(host, other.Node)
	}
	c.net.Mesh(host, c.coord.node)
	c.parties = append(c.parties, p)
	p.start()
	c.tb.Cleanup(p.stop)
	return p
}

// start opens the party's store and runs its node.
func (p *party) start() {
	p.c.tb.Helper()
	var err error
	p.store, err = keystore.Open(keystore.Config{Dir: p.dir, Master: masterKey(p.c.tb), Party: p.ID()})
	if err != nil {
		p.c.tb.Fatal(err)
	}
	cfg := Config{Host: p.Host, Store: p.store, Network: p.c.net.Name, PoolTarget: -1, Software: "test"}
	if p.cfg != nil {
		p.cfg(&cfg)
	}
	p.node, err = New(cfg)
	if err != nil {
		p.c.tb.Fatal(err)
	}
	if p.c.tap != nil {
		p.node.tap = p.c.tap.at(p.ID())
	}
	if p.onSave != nil {
		p.node.crash = p.onSave
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	n := p.node
	p.ended.Go(func() {
		if err := n.Run(ctx); err != nil {
			p.c.tb.Errorf("node: %v", err)
		}
	})
	select {
	case <-n.listening: // or the first proposal would find nobody
	case <-time.After(time.Minute):
		p.c.tb.Fatal("the node does not listen")
	}
}

// stop ends the node in good order and closes its store.
func (p *party) stop() {
	if p.node == nil {
		return
	}
	p.cancel()
	p.ended.Wait()
	if err := p.store.Close(); err != nil {
		p.c.tb.Errorf("store: %v", err)
	}
	p.node = nil
}

// kill ends the party as kill -9 does: from now on nobody hears anything of it, and
// nothing that it does reaches the disk for long enough to matter. It works in a simulated
// network only.
func (p *party) kill() {
	p.Kill()
	p.stop()
}

// revive starts a party that was killed.
func (p *party) revive() {
	p.Restart(true)
	p.start()
}

// restart stops the node and its host and starts both again.
func (p *party) restart() {
	p.c.tb.Helper()
	p.stop()
	p.Restart(true)
	p.start()
}

func (c *cluster) peers(indexes ...int) []p2p.PeerID {
	var ids []p2p.PeerID
	for i, p := range c.parties {
		if len(indexes) == 0 || contains(indexes, i) {
			ids = append(ids, p.ID())
		}
	}
	return ids
}

func contains(list []int, i int) bool {
	for _, v := range list {
		if v == i {
			return true
		}
	}
	return false
}

// stock puts ready-made pre-parameters into every party's pool.
func (c *cluster) stock() {
	c.tb.Helper()
	sets := protocoltest.PreParams(c.tb, len(c.parties))
	for i, p := range c.parties {
		if err := p.node.pool.put(context.Background(), sets[i]); err != nil {
			c.tb.Fatal(err)
		}
	}
}

// key makes a key with every party.
func (c *cluster) key(scheme protocol.Scheme, t int) (*protocol.Spec, *protocol.Certificate) {
	c.tb.Helper()
	if scheme == protocol.ECDSA {
		c.stock()
	}
	spec := c.coord.keygen(scheme, t, c.peers())
	return spec, certificate(c.tb, c.coord.run(spec))
}

func masterKey(tb testing.TB) keystore.MasterKey {
	tb.Helper()
	key, err := keystore.ParseMasterKey("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// eventually is for conditions that nothing announces.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	p2ptest.Eventually(tb, 2*time.Minute, what, holds)
}

// hosts are the network's nodes that are parties, and the coordinator.
func (c *cluster) hosts() []*p2ptest.Node {
	return slices.DeleteFunc(slices.Clone(c.net.Nodes), func(n *p2ptest.Node) bool { return n.Self().Role == p2p.RoleBootstrap })
}
