package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// members of every key; the first two sign.
var members = []protocol.Member{
	{Peer: "alice", Role: protocol.Persistent}, {Peer: "bob", Role: protocol.Persistent}, {Peer: "carol", Role: protocol.Persistent},
}

const threshold = 2

// key is a 2-of-3 key with all its shares.
type key struct {
	public []byte
	shares map[protocol.PeerID]*tss.Share
}

// floor has what is made at the first use.
type floor struct {
	keys      map[protocol.Scheme]*key
	preParams [][]byte // encoded: a set is used up by the keygen that gets it
}

func newFloor() *floor { return &floor{keys: map[protocol.Scheme]*key{}} }

// key returns the key to sign with.
func (f *floor) key(scheme protocol.Scheme) (*key, error) {
	if f.keys[scheme] == nil {
		k, _, err := f.keygen(scheme)
		if err != nil {
			return nil, err
		}
		f.keys[scheme] = k
	}
	return f.keys[scheme], nil
}

// keygen makes a key and tells how long it took. Pre-parameters are used again for the
// next one: these keys protect nothing.
func (f *floor) keygen(scheme protocol.Scheme) (*key, time.Duration, error) {
	sets, err := f.sets(scheme)
	if err != nil {
		return nil, 0, err
	}
	id := randomID()
	parties := make([]*party, len(members))
	for i, m := range members {
		machine, err := tss.NewKeygen(tss.KeygenConfig{
			SID: id, Scheme: scheme, Threshold: threshold, Roster: members, Self: m.Peer, PreParams: sets[i],
		})
		if err != nil {
			return nil, 0, err
		}
		parties[i] = newParty(m.Peer, machine)
	}
	began := time.Now()
	if err := together(parties); err != nil {
		return nil, 0, err
	}
	took := time.Since(began)
	k := &key{public: parties[0].result.PublicKey, shares: map[protocol.PeerID]*tss.Share{}}
	for _, p := range parties {
		if k.shares[p.peer], err = tss.DecodeShare(p.result.Share); err != nil {
			return nil, 0, err
		}
	}
	return k, took, nil
}

// sets returns pre-parameters for each member; EdDSA needs none.
func (f *floor) sets(scheme protocol.Scheme) ([]*tss.PreParams, error) {
	sets := make([]*tss.PreParams, len(members))
	if scheme != protocol.ECDSA {
		return sets, nil
	}
	for len(f.preParams) < len(members) {
		set, err := tss.GeneratePreParams(context.Background(), runtime.GOMAXPROCS(0))
		if err != nil {
			return nil, err
		}
		encoded, err := set.Encode()
		if err != nil {
			return nil, err
		}
		f.preParams = append(f.preParams, encoded)
	}
	var err error
	for i := range sets {
		if sets[i], err = tss.DecodePreParams(f.preParams[i]); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// sign makes one signature and tells how long that took.
func (f *floor) sign(scheme protocol.Scheme, run func([]*party) error) (time.Duration, error) {
	k, err := f.key(scheme)
	if err != nil {
		return 0, err
	}
	return k.sign(scheme, run)
}

func (k *key) sign(scheme protocol.Scheme, run func([]*party) error) (time.Duration, error) {
	id, digest := randomID(), randomID()
	signers := members[:threshold]
	began := time.Now()
	parties := make([]*party, len(signers))
	for i, m := range signers {
		machine, err := tss.NewSign(tss.SignConfig{SID: id, Roster: signers, Self: m.Peer, Share: k.shares[m.Peer], Payload: digest[:]})
		if err != nil {
			return 0, err
		}
		parties[i] = newParty(m.Peer, machine)
	}
	if err := run(parties); err != nil {
		return 0, err
	}
	took := time.Since(began)
	for _, p := range parties {
		if err := protocol.VerifySignature(scheme, k.public, digest[:], p.result.Signature); err != nil {
			return 0, fmt.Errorf("the signature of %s: %w", p.peer, err)
		}
	}
	return took, nil
}

// rate signs on all cores for a while.
func (f *floor) rate(scheme protocol.Scheme, length time.Duration) (answer, error) {
	k, err := f.key(scheme)
	if err != nil {
		return answer{}, err
	}
	errs := make([]error, runtime.GOMAXPROCS(0))
	counts := make([]float64, len(errs))
	var work sync.WaitGroup
	for core := range errs {
		work.Go(func() {
			began := time.Now()
			n := 0
			for (n == 0 || time.Since(began) < length) && errs[core] == nil {
				_, errs[core] = k.sign(scheme, oneByOne)
				n++
			}
			counts[core] = float64(n) / time.Since(began).Seconds()
		})
	}
	work.Wait()
	var a answer
	for core, err := range errs {
		if err != nil {
			return a, err
		}
		a.Rate += counts[core]
	}
	return a, nil
}

func randomID() protocol.SID {
	var id protocol.SID
	_, _ = rand.Read(id[:]) // never fails, see its documentation
	return id
}
