package coordinator

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// TestOverRealHosts runs a coordinator and scripted parties over libp2p hosts.
func TestOverRealHosts(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			hosts := p2ptest.New(t, p2ptest.Config{Name: testNetwork, Transport: transport})
			nodes := hosts.Pool(3)
			own := hosts.Add(p2p.RoleCoordinator, func(c *p2p.Config) { c.Seek = []p2p.Role{p2p.RoleParty} })
			own.Start()
			hosts.Mesh(append(nodes, own)...)

			fake := newFakeNet(t)
			fake.id = identity{own.Config.Identity}
			for _, node := range nodes {
				onHost(t, fake, node, own.ID())
			}
			cl := &cluster{t: t, net: fake, http: &http.Client{Transport: &http.Transport{}}}
			cl.cfg = Config{
				Dir: t.TempDir(), Mesh: own.Host, Network: testNetwork, Listen: []string{"127.0.0.1:0"},
				Edge:     Edge{APIKey: testKey},
				Approver: newIdentity(t).key, DrainTimeout: time.Second,
			}
			cl.start()
			t.Cleanup(func() {
				cl.stop()
				cl.http.CloseIdleConnections()
			})
			cl.waitParties(3)
			a := cl.account(`{"user_id":"u"}`)
			checkCertificate(t, a)
			checkECDSA(t, as[rest.SignResult](t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusOK))
			nodes[0].Stop()
			nodes[1].Stop()
			problem(t, cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`), http.StatusServiceUnavailable, "too_few_parties")
		})
	}
}

// onHost makes a scripted party of a host: frames and heartbeats go over it.
func onHost(t *testing.T, fake *fakeNet, node *p2ptest.Node, coordinator protocol.PeerID) {
	t.Helper()
	p := fake.add(&party{identity: identity{node.Config.Identity}, name: node.Self().Name, boot: node.BootID()})
	fake.order = append(fake.order, p)
	host := node.Host
	fake.via(p.ID(), func(frame []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_ = host.Send(ctx, coordinator, protocol.ChannelDispatch, frame) // outcomes are sent again
	})
	err := host.Handle(p2p.Channel{Name: protocol.ChannelDispatch, MaxFrame: maxDispatchFrame, Receive: func(_ p2p.PeerID, data []byte) {
		f, err := protocol.DecodeFrame(data)
		if err != nil {
			t.Errorf("the coordinator sent a bad frame: %v", err)
			return
		}
		act := p.now()
		fake.spawn(func() { p.handle(f, act) })
	}})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := host.Join(p2p.TopicConfig{Name: protocol.TopicPool, Validate: validHeartbeat})
	if err != nil {
		t.Fatal(err)
	}
	fake.spawn(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			_ = topic.Publish(t.Context(), p.heartbeat()) // a host that is killed publishes nothing
			select {
			case <-fake.down:
				return
			case <-tick.C:
			}
		}
	})
}
