package tss

import (
	"testing"
	"time"
)

// guardLimit bounds what the guard may cost for one signing message.
const guardLimit = 5 * time.Millisecond

// BenchmarkGuard measures a message before the library sees it, parsing and guard.
// "signing" is all that one signer of two gets, for the ratio to BenchmarkSign,
// which counts both.
func BenchmarkGuard(b *testing.B) {
	all := allSamples(b)
	run := func(b *testing.B, samples []*sample) {
		b.Helper()
		for b.Loop() {
			for _, s := range samples {
				if _, _, err := s.machine().admit(s.message(s.body)); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	signing := map[string][]*sample{}
	for _, s := range all {
		scheme, kind := s.split()
		b.Run(scheme+"/"+kind+"/"+s.t.name, func(b *testing.B) {
			run(b, []*sample{s})
			if each := b.Elapsed() / time.Duration(b.N); kind == "signing" && each > guardLimit {
				b.Errorf("%v, more than %v", each, guardLimit)
			}
		})
		if kind == "signing" {
			signing[scheme] = append(signing[scheme], s)
		}
	}
	for scheme, samples := range signing {
		b.Run(scheme+"/signing", func(b *testing.B) { run(b, samples) })
	}
}

// split returns the scheme and the kind of a sample's ceremony.
func (s *sample) split() (scheme, kind string) {
	switch s.machine().runner.guard.(type) {
	case *ecdsaKeygenGuard:
		return "ecdsa", "keygen"
	case *ecdsaSignGuard:
		return "ecdsa", "signing"
	case eddsaKeygenGuard:
		return "eddsa", "keygen"
	}
	return "eddsa", "signing"
}
