package node

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// person answers for a user's device and remembers what was shown.
type person struct {
	mu     sync.Mutex
	shown  []string // fingerprints
	specs  []protocol.Spec
	says   func(ctx context.Context, s *protocol.Spec) error
	asking chan struct{} // receives once for each question
}

func agreeing() *person { return &person{asking: make(chan struct{}, 100)} }

func (p *person) consent(ctx context.Context, s *protocol.Spec, fingerprint string) error {
	p.mu.Lock()
	p.shown, p.specs = append(p.shown, fingerprint), append(p.specs, *s)
	says := p.says
	p.mu.Unlock()
	p.asking <- struct{}{}
	if says == nil {
		return nil
	}
	return says(ctx, s)
}

func (p *person) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.shown)
}

// coManaged is the spec of a key of two parties and the devices of users.
func (c *cluster) coManaged(scheme protocol.Scheme, t int) *protocol.Spec {
	spec := c.coord.keygen(scheme, t, c.peers())
	for i, p := range c.parties {
		if p.cfg != nil {
			spec.Roster[i].Role = protocol.External
		}
	}
	return spec
}

func TestAUsersDeviceHoldsAShareAndSigns(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			c := newCluster(t, p2ptest.Config{Transport: transport}, 2, nil)
			alice := agreeing()
			device := c.device(alice.consent)
			schemes := []protocol.Scheme{protocol.EdDSA, protocol.ECDSA}
			if transport == p2ptest.TCP {
				schemes = schemes[:1]
			}
			for _, scheme := range schemes {
				if scheme == protocol.ECDSA {
					c.stock()
				}
				key := c.coManaged(scheme, 2)
				cert := certificate(t, c.coord.run(key))
				signing := c.coord.sign(key, digest(1), c.peers(1, 2))
				checkSignatures(t, signing, cert, c.coord.run(signing))
				without := c.coord.sign(key, digest(2), c.peers(0, 1))
				checkSignatures(t, without, cert, c.coord.run(without))
				alice.wasShown(t, key, signing)
			}
			device.restart()
			c.net.Mesh(device.Node, c.parties[0].Node)
			c.net.Mesh(device.Node, c.coord.node)
			eventually(t, "the device is back", func() bool { return len(device.node.cfg.Host.Members()) >= 2 })
		})
	}
}

// wasShown checks that the last questions were about these sessions.
func (p *person) wasShown(t *testing.T, specs ...*protocol.Spec) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range specs {
		at := len(p.shown) - len(specs) + i
		if at < 0 || p.shown[at] != protocol.Fingerprint(s) || p.specs[at].SID() != s.SID() {
			t.Fatalf("question %d was not about session %s with fingerprint %s", at, s.Session, protocol.Fingerprint(s))
		}
	}
}

func TestTwoDevicesSeeTheSameFingerprint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 1, nil)
		alice, bob := agreeing(), agreeing()
		c.device(alice.consent)
		c.device(bob.consent)
		key := c.coManaged(protocol.EdDSA, 2)
		cert := certificate(t, c.coord.run(key))
		alice.wasShown(t, key)
		bob.wasShown(t, key)
		spec := c.coord.sign(key, []byte("between the two of them"), c.peers(1, 2))
		checkSignatures(t, spec, cert, c.coord.run(spec))
	})
}

func TestAPersonMayTakeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		alice := agreeing()
		alice.says = func(ctx context.Context, _ *protocol.Spec) error {
			minutes := time.NewTimer(4 * time.Minute)
			defer minutes.Stop()
			select {
			case <-minutes.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c.device(alice.consent)
		key := c.coManaged(protocol.EdDSA, 2)
		c.coord.propose(key)
		<-alice.asking
		c.coord.send(c.peers(2)[0], protocol.Frame{Propose: &protocol.Propose{Spec: *key}}) // as coordinators do until they are answered
		c.coord.await("the outcomes", 5*time.Minute, func() bool { return len(c.coord.outcomes[key.SID()]) == 3 })
		certificate(t, c.coord.result(key))
		if n := alice.asked(); n != 1 {
			t.Errorf("the person was asked %d times", n)
		}
	})
}

func TestAPersonMaySayNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		alice := agreeing()
		device := c.device(alice.consent).ID()
		key := c.coManaged(protocol.EdDSA, 2)
		cert := certificate(t, c.coord.run(key))
		alice.says = func(context.Context, *protocol.Spec) error { return errors.New("I never asked for this") }
		spec := c.coord.sign(key, digest(1), c.peers(1, 2))
		if a := c.coord.answer(device, spec); a.Code != protocol.CodeDeclined || !strings.Contains(a.Detail, "never asked") {
			t.Errorf("got %+v, want %q and the reason", a, protocol.CodeDeclined)
		}
		alice.says = nil
		spec.Attempt++ // she has thought again
		checkSignatures(t, spec, cert, c.coord.run(spec))
		asked := alice.asked()
		again := *spec
		again.Expires++
		if a := c.coord.answer(device, &again); a.Code != protocol.CodeReplay {
			t.Errorf("a replay: %+v", a)
		}
		wrong := c.coord.sign(key, digest(2), c.peers(1, 2))
		wrong.Authorisation = nil
		if a := c.coord.answer(device, wrong); a.Code != protocol.CodeUnauthorised {
			t.Errorf("not approved: %+v", a)
		}
		if alice.asked() != asked {
			t.Error("the person is asked about what cannot be")
		}
	})
}

func TestACancelledQuestionIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		alice := agreeing()
		alice.says = func(ctx context.Context, _ *protocol.Spec) error { <-ctx.Done(); return ctx.Err() }
		device := c.device(alice.consent).ID()
		for what, end := range map[protocol.Code]func(*protocol.Spec){
			protocol.CodeCancelled: func(s *protocol.Spec) {
				c.coord.send(device, protocol.Frame{Cancel: &protocol.Cancel{SID: s.SID(), Reason: "no longer needed"}})
			},
			protocol.CodeTimeout: func(*protocol.Spec) {},
		} {
			key := c.coManaged(protocol.EdDSA, 2)
			c.coord.send(device, protocol.Frame{Propose: &protocol.Propose{Spec: *key}})
			<-alice.asking
			end(key)
			c.coord.await("an answer", 6*time.Minute, func() bool { return c.coord.answers[key.SID()][device].Code == what })
		}
	})
}

func TestRolesInTheNetworkAndInTheRosterMustAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		alice := agreeing()
		device := c.device(alice.consent)
		for role, code := range map[protocol.Role]protocol.Code{protocol.Persistent: protocol.CodeNotMember, protocol.Delegate: protocol.CodeNotMember, protocol.External: ""} {
			spec := c.coManaged(protocol.EdDSA, 2)
			spec.Roster[2].Role = role
			if a := c.coord.answer(device.ID(), spec); a.Code != code {
				t.Errorf("a device as %s: %+v", role, a)
			}
			if role == protocol.External {
				continue
			}
			party := c.peers(0)[0]
			c.coord.answer(party, spec)
			if f := c.coord.awaitFailure(spec.SID(), party); f.Code != protocol.CodeNotMember {
				t.Errorf("a party that meets a guest as %s: %+v", role, f)
			}
		}
		spec := c.coManaged(protocol.EdDSA, 2)
		spec.Roster[0].Role = protocol.External
		if a := c.coord.answer(c.peers(0)[0], spec); a.Code != protocol.CodeNotMember {
			t.Errorf("a party as external: %+v", a)
		}
		c.coord.answer(device.ID(), spec)
		if f := c.coord.awaitFailure(spec.SID(), device.ID()); f.Code != protocol.CodeNotMember {
			t.Errorf("a device that meets a party as external: %+v", f)
		}
	})
}

func TestADeviceIsNotInThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 1, nil)
		device := c.device(agreeing().consent)
		if device.node.cfg.PoolTarget > 0 {
			t.Errorf("a device makes %d sets of pre-parameters that nobody asked for", device.node.cfg.PoolTarget)
		}
		if r := c.coord.askShare(device.ID(), protocol.ShareRequest{Key: newID(t)}); r.Code != protocol.CodeNoShare {
			t.Errorf("a request for a share: %+v", r)
		}
	})
}

// A guest's message for a session that a party does not know costs it nothing.
func TestEarlyMessagesOfGuestsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		device := c.device(agreeing().consent)
		frame := func(sid byte) []byte {
			data, err := protocol.Marshal(protocol.DirectFrame{SID: protocol.SID{sid}, Envelope: []byte("early")})
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		n := c.parties[0].node
		n.receiveDirect(device.ID(), frame(1))
		n.receiveDirect(c.peers(1)[0], frame(2))
		if guest, party := n.early.take(protocol.SID{1}), n.early.take(protocol.SID{2}); len(guest) != 0 || len(party) != 1 {
			t.Errorf("kept %d of a guest and %d of a party, want 0 and 1", len(guest), len(party))
		}
	})
}

func TestConfigOfRoles(t *testing.T) {
	consent := agreeing().consent
	for name, c := range map[string]struct {
		cfg      Config
		admitted p2p.Role
		is       protocol.Role
		says     string
	}{
		"party":              {Config{}, p2p.RoleParty, protocol.Persistent, ""},
		"delegate":           {Config{}, p2p.RoleDelegate, protocol.Delegate, ""},
		"device":             {Config{Consent: consent}, p2p.RoleExternal, protocol.External, ""},
		"device, said twice": {Config{Role: protocol.External, Consent: consent}, p2p.RoleExternal, protocol.External, ""},
		"nobody to ask":      {Config{Role: protocol.External}, p2p.RoleExternal, "", "Consent is missing"},
		"unknown role":       {Config{Role: "admin"}, p2p.RoleParty, "", `as "admin"`},
		"party as delegate":  {Config{Role: protocol.Delegate}, p2p.RoleParty, "", "admitted to the network as party"},
		"party as device":    {Config{Role: protocol.External, Consent: consent}, p2p.RoleParty, "", "admitted to the network as party"},
		"coordinator":        {Config{}, p2p.RoleCoordinator, "", "as coordinator"},
	} {
		err := c.cfg.validateRole(c.admitted)
		if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v does not say %q", name, err, c.says)
		}
		if err == nil && c.cfg.Role != c.is {
			t.Errorf("%s is %q", name, c.cfg.Role)
		}
	}
}

// A node that is admitted as a delegate computes for users and keeps nothing.
func TestADelegateByCredentialIsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		host := c.net.Add(p2p.RoleDelegate)
		host.Start()
		d := &party{Node: host, c: c, dir: t.TempDir()}
		c.net.Mesh(host, c.parties[0].Node, c.parties[1].Node, c.coord.node)
		c.parties = append(c.parties, d)
		d.start()
		t.Cleanup(d.stop)
		if a := c.coord.answer(d.ID(), c.coord.keygen(protocol.EdDSA, 2, c.peers())); a.Code != protocol.CodeNotMember {
			t.Errorf("a delegate as a persistent member: %+v", a)
		}
		key, cert := c.hybrid(protocol.EdDSA, nil)
		c.signWith(key, cert, digest(1), c.coord.share(d.ID(), key, nil))
	})
}
