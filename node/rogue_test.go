package node

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// rogue is a member that plays by rules of its own: a party's host with its key,
// its credential and its shares, and none of our code between them and the network.
type rogue struct {
	*party
	shares map[string]*tss.Share // by key

	mu    sync.Mutex
	plays map[protocol.SID]*play
}

// play is a rogue's part in one session.
type play struct {
	r     *rogue
	spec  *protocol.Spec
	topic *p2p.Topic
	faces []*face
	inbox chan heardOf

	// alter changes what is sent, and signs it again; nil: nothing is changed.
	alter func(to p2p.PeerID, h *protocol.Header, payload []byte) []byte
}

// face is what a rogue shows to some of the other members.
type face struct {
	to      []p2p.PeerID
	session *protocol.Session
}

// heardOf is a message that came to a rogue.
type heardOf struct {
	from     p2p.PeerID
	envelope []byte
	pull     *protocol.Pull
	direct   bool
}

// turn makes a party a rogue, with its shares of some keys.
func (p *party) turn(keys ...*protocol.Spec) *rogue {
	tb := p.c.tb
	tb.Helper()
	r := &rogue{party: p, shares: make(map[string]*tss.Share), plays: make(map[protocol.SID]*play)}
	for _, spec := range keys {
		k, err := p.node.keys.load(context.Background(), spec.Key, spec.Epoch)
		if err != nil {
			tb.Fatal(err)
		}
		r.shares[spec.Key] = k.share
	}
	p.stop()
	p.Restart(true)
	err := p.Handle(p2p.Channel{
		Name: protocol.ChannelDirect, MaxFrame: maxFrame, Roles: []p2p.Role{p2p.RoleParty}, Receive: r.receive,
	})
	if err != nil {
		tb.Fatal(err)
	}
	p.c.net.Mesh(p.c.hosts()...)
	return r
}

func (r *rogue) receive(from p2p.PeerID, data []byte) {
	f, err := protocol.DecodeDirectFrame(data)
	if err != nil || f.Endorse != nil {
		return
	}
	r.mu.Lock()
	p := r.plays[f.SID]
	r.mu.Unlock()
	if p != nil {
		p.inbox <- heardOf{from: from, envelope: f.Envelope, pull: f.Pull, direct: true}
	}
}

// join makes the rogue a member of a session that shows itself to nobody yet.
func (r *rogue) join(spec *protocol.Spec) *play {
	tb := r.c.tb
	tb.Helper()
	name, shared := spec.Topic()
	topic, err := r.Join(p2p.TopicConfig{
		Name: name, Shared: shared, Members: spec.Peers(),
		Validate: func(data []byte) (p2p.PeerID, any, bool) {
			o, err := protocol.OpenEnvelope(data, p2p.Verify)
			if err != nil {
				return "", nil, false
			}
			return o.Header().From, nil, true
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	p := &play{r: r, spec: spec, topic: topic, inbox: make(chan heardOf, 4096)}
	r.mu.Lock()
	r.plays[spec.SID()] = p
	r.mu.Unlock()
	return p
}

// show adds a face: a session with a machine of its own, like that of an honest
// member, for some of the others.
func (p *play) show(to ...p2p.PeerID) {
	tb, self := p.r.c.tb, p.r.ID()
	tb.Helper()
	cfg := protocol.SessionConfig{Spec: p.spec, Signer: p.r.Host, Verify: p2p.Verify}
	var err error
	if p.spec.Kind == protocol.KindSign {
		cfg.Machine, err = tss.NewSign(tss.SignConfig{SID: p.spec.SID(), Roster: p.spec.Roster, Self: self, Share: p.r.shares[p.spec.Key], Payload: p.spec.Payload})
	} else {
		cfg.Contribution = make([]byte, protocol.ContributionSize)
		cfg.Machine, err = tss.NewKeygen(tss.KeygenConfig{SID: p.spec.SID(), Scheme: p.spec.Scheme, Threshold: p.spec.Threshold, Roster: p.spec.Roster, Self: self})
	}
	if err != nil {
		tb.Fatal(err)
	}
	session, err := protocol.NewSession(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	p.faces = append(p.faces, &face{to: to, session: session})
}

// run plays until the test ends, or until stop is called.
func (p *play) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	seen := make(chan error, 1)
	running.Go(func() { seen <- p.topic.Ready(ctx) })
	running.Go(func() {
		for {
			d, err := p.topic.Next(ctx)
			if err != nil {
				return
			}
			p.inbox <- heardOf{from: d.From, envelope: d.Data}
		}
	})
	running.Go(func() { p.loop(ctx, seen) })
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		p.topic.Close() //nolint:errcheck // the network may have ended
	})
	p.r.c.tb.Cleanup(stop)
	return stop
}

func (p *play) loop(ctx context.Context, seen <-chan error) {
	pull := time.NewTicker(pullFirst)
	defer pull.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pull.C:
			p.pull(ctx)
		case err := <-seen:
			for _, f := range p.faces {
				if err == nil {
					out, _ := f.session.Ready()
					p.perform(ctx, f, out)
				}
			}
		case m := <-p.inbox:
			p.hear(ctx, m)
		}
	}
}

// pull asks for what a face lacks, as an honest member does: who leaves a topic and comes
// back may miss what is published meanwhile.
func (p *play) pull(ctx context.Context) {
	for _, f := range p.faces {
		for peer, pull := range f.session.Missing() {
			data, err := protocol.Marshal(protocol.DirectFrame{SID: p.spec.SID(), Pull: pull})
			if err == nil {
				err = p.r.Send(ctx, peer, protocol.ChannelDirect, data)
			}
			if err != nil && ctx.Err() == nil {
				p.r.c.tb.Logf("the rogue cannot pull: %v", err)
			}
		}
	}
}

func (p *play) hear(ctx context.Context, m heardOf) {
	for _, f := range p.faces {
		if m.pull != nil {
			if slices.Contains(f.to, m.from) {
				for _, e := range f.session.Answer(m.from, m.pull) {
					p.send(ctx, m.from, e)
				}
			}
			continue
		}
		out, err := f.session.Deliver(m.envelope, m.direct)
		for p.perform(ctx, f, out); err == nil && out.Save != nil; p.perform(ctx, f, out) {
			out, err = f.session.Resume()
		}
	}
}

// perform sends what a face has to say to those that see it, and to nobody else: a
// broadcast as well goes over direct streams.
func (p *play) perform(ctx context.Context, f *face, out protocol.Output) {
	for _, e := range out.Broadcast {
		for _, to := range f.to {
			p.send(ctx, to, e)
		}
	}
	for _, d := range out.Direct {
		if slices.Contains(f.to, d.To) {
			p.send(ctx, d.To, d.Envelope)
		}
	}
}

// altered is an envelope as the rogue wants it to be.
func (p *play) altered(to p2p.PeerID, envelope []byte) []byte {
	if p.alter == nil {
		return envelope
	}
	var e protocol.Envelope
	if err := protocol.Unmarshal(envelope, &e); err != nil {
		p.r.c.tb.Errorf("an envelope: %v", err)
		return envelope
	}
	payload := p.alter(to, &e.Header, e.Payload)
	data, err := protocol.Seal(p.r.Host, e.Header, payload).Encode()
	if err != nil {
		p.r.c.tb.Errorf("an envelope: %v", err)
	}
	return data
}

func (p *play) send(ctx context.Context, to p2p.PeerID, envelope []byte) {
	envelope = p.altered(to, envelope)
	data, err := protocol.Marshal(protocol.DirectFrame{SID: p.spec.SID(), Envelope: envelope})
	if err == nil {
		err = p.r.Send(ctx, to, protocol.ChannelDirect, data)
	}
	if err != nil && ctx.Err() == nil {
		p.r.c.tb.Logf("the rogue cannot send: %v", err)
	}
}

// proposeTo proposes a session to its honest members.
func (s *scripted) proposeTo(spec *protocol.Spec, peers ...p2p.PeerID) {
	for _, peer := range peers {
		s.send(peer, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
	}
}

// kept reads the files of a party's conduct.
func (p *party) kept(tb testing.TB) ([]EvidenceFile, []Conduct) {
	tb.Helper()
	files, err := p.node.conduct.evidence.List()
	if err != nil {
		tb.Fatal(err)
	}
	list, err := p.node.conduct.quarantine.List()
	if err != nil {
		tb.Fatal(err)
	}
	return files, list
}
