package main

import (
	"errors"
	"slices"
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// party is one member's machine with the messages that wait for their round.
type party struct {
	peer    protocol.PeerID
	machine protocol.Machine
	held    []protocol.Message
	result  *protocol.Result
}

func newParty(peer protocol.PeerID, machine protocol.Machine) *party {
	return &party{peer: peer, machine: machine}
}

var errStuck = errors.New("a party waits, and no message is left")

// take gives the machine a message and all that waited for it, and returns what they
// lead to.
func (p *party) take(m protocol.Message) ([]protocol.Message, error) {
	p.held = append(p.held, m)
	var send []protocol.Message
	for p.result == nil {
		i := slices.IndexFunc(p.held, func(m protocol.Message) bool { return m.Round <= p.machine.Round() })
		if i < 0 {
			break
		}
		m := p.held[i]
		p.held = slices.Delete(p.held, i, i+1)
		more, err := p.did(p.machine.Step(m))
		if err != nil {
			return nil, err
		}
		send = append(send, more...)
	}
	return send, nil
}

// did notes the result of a step and returns its messages.
func (p *party) did(step protocol.Step, err error) ([]protocol.Message, error) {
	if step.Result != nil {
		p.result = step.Result
	}
	return step.Send, err
}

// oneByOne runs a ceremony on the calling goroutine alone.
func oneByOne(parties []*party) error {
	var pending []protocol.Message
	for _, p := range parties {
		send, err := p.did(p.machine.Start())
		if err != nil {
			return err
		}
		pending = append(pending, send...)
	}
	for len(pending) > 0 {
		m := pending[0]
		pending = pending[1:]
		for _, p := range parties {
			if p.peer == m.From || m.To != "" && m.To != p.peer {
				continue
			}
			send, err := p.take(m)
			if err != nil {
				return err
			}
			pending = append(pending, send...)
		}
	}
	return finished(parties)
}

// inboxRoom is more than all messages of a ceremony for one party.
const inboxRoom = 64

// together runs a ceremony with a goroutine for each party.
func together(parties []*party) error {
	inboxes := make(map[protocol.PeerID]chan protocol.Message)
	for _, p := range parties {
		inboxes[p.peer] = make(chan protocol.Message, inboxRoom)
	}
	errs := make([]error, len(parties))
	failed := make(chan struct{})
	var fail sync.Once
	var work sync.WaitGroup
	for i, p := range parties {
		work.Go(func() {
			if errs[i] = p.run(inboxes, failed); errs[i] != nil {
				fail.Do(func() { close(failed) })
			}
		})
	}
	work.Wait()
	return errors.Join(append(errs, finished(parties))...)
}

// run takes part until there is a result, or another party has failed.
func (p *party) run(inboxes map[protocol.PeerID]chan protocol.Message, failed <-chan struct{}) error {
	send, err := p.did(p.machine.Start())
	for {
		if err != nil {
			return err
		}
		for _, m := range send {
			for peer, inbox := range inboxes {
				if peer != p.peer && (m.To == "" || m.To == peer) {
					inbox <- m
				}
			}
		}
		if p.result != nil {
			return nil
		}
		select {
		case m := <-inboxes[p.peer]:
			send, err = p.take(m)
		case <-failed:
			return nil
		}
	}
}

func finished(parties []*party) error {
	for _, p := range parties {
		if p.result == nil {
			return errStuck
		}
	}
	return nil
}
