package tss

import (
	"math/big"

	"github.com/meshmpc/mpcd/protocol"
)

// Placeholder returns a copy of the number that the library has in place of a message.
func Placeholder(p *Presign) *big.Int { return new(big.Int).Set(p.number) }

// SetPlaceholder changes it.
func SetPlaceholder(p *Presign, v *big.Int) { p.number.Set(v) }

// Unbound is what nothing in this package does: it goes on without a message.
func Unbound(p *Presign) protocol.Machine { return &bound{machine: p.m, last: p.last} }

// RandomScalar is the source of the placeholders.
var RandomScalar = randomScalar
