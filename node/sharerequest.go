package node

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what coordinators may ask about user shares: each answer costs a
// read, a seal and perhaps a write.
const (
	shareAsks     = 8                      // answered at a time; more are dropped, the coordinator asks again
	shareAskEvery = 100 * time.Millisecond // one, on average
	shareAskBurst = 50
	shareAskFor   = 20 * time.Second
	maxShareAskID = 128 // bytes
	maxKeyID      = 255 // bytes, as in the keystore
)

// askLimit bounds share requests.
type askLimit struct {
	slots chan struct{}
	rate  *rate.Limiter
}

func newAskLimit() askLimit {
	return askLimit{slots: make(chan struct{}, shareAsks), rate: rate.NewLimiter(rate.Every(shareAskEvery), shareAskBurst)}
}

// shareRequest answers a coordinator that asks for a user's share, or says that
// the user has it.
func (n *Node) shareRequest(from protocol.PeerID, q *protocol.ShareRequest) {
	if q.ID == "" || len(q.ID) > maxShareAskID || q.Key == "" || len(q.Key) > maxKeyID {
		log.Warnw("a request for a user's share has no id, or ids that are too long", "coordinator", from)
		return
	}
	select {
	case n.asks.slots <- struct{}{}:
	default:
		log.Debugw("too many requests for user shares at a time; one was dropped", "coordinator", from)
		return
	}
	allowed := n.asks.rate.Allow()
	started := n.start("share "+from+" "+q.ID, shareAskFor, func(ctx context.Context) error {
		defer func() { <-n.asks.slots }()
		reply := protocol.ShareReply{ID: q.ID}
		var err error
		switch {
		case !allowed:
			err = refuse(protocol.CodeBusy, "too many requests for user shares: try again in a few seconds")
		case q.Erase:
			err = n.shares.finish(ctx, from, q)
			reply.Erased = err == nil
		default:
			reply.Share, reply.Expires, err = n.shares.give(ctx, from, q)
		}
		if err != nil {
			reply.Code, reply.Detail = codeOf(err), err.Error()
			log.Infow("a request for a user's share was refused", "coordinator", from, "key", q.Key, "code", reply.Code, "reason", reply.Detail)
		}
		ctx, cancel := context.WithTimeout(ctx, sendLimit)
		defer cancel()
		return n.sendFrame(ctx, from, protocol.Frame{ShareReply: &reply})
	})
	if !started {
		<-n.asks.slots
	}
}
