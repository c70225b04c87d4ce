package client

import (
	"encoding/base64"
	"fmt"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// VerifyEvidence checks evidence of a party's fault (canonical CBOR) by itself:
// offline, and with no trust in who has it from whom. The finding says whether it
// proves the fault or rests on the word of the party that saw it. Errors are
// ErrVerification: the evidence shows nothing.
func VerifyEvidence(encoded []byte) (protocol.Finding, error) {
	_, f, err := openEvidence(encoded)
	return f, err
}

func openEvidence(encoded []byte) (*protocol.Evidence, protocol.Finding, error) {
	var v protocol.Evidence
	if err := protocol.Unmarshal(encoded, &v); err != nil {
		return nil, protocol.Finding{}, refuted("evidence: %w", err)
	}
	f, err := v.Verify(protocol.VerifyPeer)
	if err != nil {
		return nil, f, refuted("%w", err)
	}
	return &v, f, nil
}

// VerifyBlame checks a blame with the evidence that comes with it: that it is
// about the party, the SID and the reason that the coordinator says, and that it
// proves what is said to be proven. Without evidence the finding says whose word it
// is. Errors are ErrVerification.
//
// What is proven is that the party broke the protocol in the attempt that the SID
// names. An SID does not tell whose it is: that it is this session's, and which
// attempt (Attempt), is the coordinator's word, which could show a fault of another
// session here.
func VerifyBlame(b *rest.Blame) (protocol.Finding, error) {
	f := protocol.Finding{Culprit: b.Party.PeerID, Reason: protocol.Reason(b.Reason), Why: fmt.Sprintf("it is the word of %s alone", b.By.PeerID)}
	if b.Evidence == "" {
		if b.Proven {
			return f, refuted("that %s is to blame is said to be proven, and there is no evidence here: ask the operator of %s for it", b.Party.PeerID, b.By.PeerID)
		}
		return f, nil
	}
	encoded, err := base64.StdEncoding.DecodeString(b.Evidence)
	if err != nil {
		return f, refuted("evidence: %w", err)
	}
	v, f, err := openEvidence(encoded)
	switch {
	case err != nil:
		return f, err
	case f.Culprit != b.Party.PeerID:
		return f, refuted("the evidence is about %s, and %s is blamed", f.Culprit, b.Party.PeerID)
	case v.SID.String() != b.SID:
		return f, refuted("the evidence is of the attempt %s, and the blame of %s", v.SID, b.SID)
	case string(f.Reason) != b.Reason && f.Proven:
		return f, refuted("the evidence shows %q, and the blame says %q", f.Reason, b.Reason)
	case b.Proven && !f.Proven:
		return f, refuted("that %s is to blame is said to be proven, and the evidence rests on the word of %s", f.Culprit, v.By)
	}
	return f, nil
}
