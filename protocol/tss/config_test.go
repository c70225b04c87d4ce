package tss_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

func TestKeygenConfig(t *testing.T) {
	members := protocoltest.Members(3)
	set := protocoltest.PreParams(t, 1)[0]
	tests := []struct {
		name   string
		change func(*tss.KeygenConfig)
		err    error
	}{
		{"no scheme", func(c *tss.KeygenConfig) { c.Scheme = "" }, protocol.ErrScheme},
		{"threshold of one", func(c *tss.KeygenConfig) { c.Threshold = 1 }, protocol.ErrThreshold},
		{"threshold above n", func(c *tss.KeygenConfig) { c.Threshold = 4 }, protocol.ErrThreshold},
		{"empty roster", func(c *tss.KeygenConfig) { c.Roster = nil }, protocol.ErrThreshold},
		{"too many parties", func(c *tss.KeygenConfig) { c.Roster = protocoltest.Members(33) }, protocol.ErrThreshold},
		{"not a member", func(c *tss.KeygenConfig) { c.Self = "mallory" }, tss.ErrConfig},
		{"a member twice", func(c *tss.KeygenConfig) { c.Roster = append(members[:2:2], members[0]) }, tss.ErrConfig},
		{"ECDSA without pre-parameters", func(c *tss.KeygenConfig) { c.Scheme = protocol.ECDSA }, tss.ErrConfig},
		{"EdDSA with pre-parameters", func(c *tss.KeygenConfig) { c.PreParams = set }, tss.ErrConfig},
	}
	for _, test := range tests {
		c := tss.KeygenConfig{Scheme: protocol.EdDSA, Threshold: 2, Roster: members, Self: "alice"}
		test.change(&c)
		if m, err := tss.NewKeygen(c); !errors.Is(err, tss.ErrConfig) || !errors.Is(err, test.err) || m != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestSignConfig(t *testing.T) {
	members := protocoltest.Members(3)
	ec := newKey(t, protocol.ECDSA, protocol.Threshold{T: 2, N: 3})
	ed := newKey(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3})
	order := []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe" +
		"\xba\xae\xdc\xe6\xaf\x48\xa0\x3b\xbf\xd2\x5e\x8c\xd0\x36\x41\x41")
	tests := []struct {
		name   string
		change func(*tss.SignConfig)
		err    error
	}{
		{"no share", func(c *tss.SignConfig) { c.Share = nil }, tss.ErrConfig},
		{"too few signers", func(c *tss.SignConfig) { c.Roster = members[:1] }, tss.ErrConfig},
		{"too many signers", func(c *tss.SignConfig) { c.Roster = members }, tss.ErrConfig},
		{"a signer twice", func(c *tss.SignConfig) { c.Roster = append(members[:1:1], members[0]) }, tss.ErrConfig},
		{"not a signer", func(c *tss.SignConfig) { c.Self, c.Share = "carol", ec.shares["carol"] }, tss.ErrConfig},
		{"share of another", func(c *tss.SignConfig) { c.Share = ec.shares["bob"] }, tss.ErrConfig},
		{"signer without a share", func(c *tss.SignConfig) {
			c.Roster = append(members[:1:1], protocol.Member{Peer: "mallory", Role: protocol.Persistent})
		}, tss.ErrConfig},
		{"short digest", func(c *tss.SignConfig) { c.Payload = make([]byte, 31) }, tss.ErrConfig},
		{"long digest", func(c *tss.SignConfig) { c.Payload = make([]byte, 33) }, tss.ErrConfig},
		{"zero digest", func(c *tss.SignConfig) { c.Payload = make([]byte, 32) }, tss.ErrDigest},
		{"digest that is zero modulo the order", func(c *tss.SignConfig) { c.Payload = order }, tss.ErrDigest},
		{"no message", func(c *tss.SignConfig) { c.Share, c.Payload = ed.shares["alice"], nil }, tss.ErrConfig},
		{"long message", func(c *tss.SignConfig) {
			c.Share, c.Payload = ed.shares["alice"], bytes.Repeat([]byte("x"), protocol.MaxMessage+1)
		}, tss.ErrConfig},
	}
	for _, test := range tests {
		c := tss.SignConfig{Roster: members[:2], Self: "alice", Share: ec.shares["alice"], Payload: digest("config")}
		test.change(&c)
		if m, err := tss.NewSign(c); !errors.Is(err, tss.ErrConfig) || !errors.Is(err, test.err) || m != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
