package registry

import "time"

// IdemLife is how long a request is remembered, so that a repeated one gets the
// same answer.
const IdemLife = 24 * time.Hour

// idemEntry is a request that was answered, and when.
type idemEntry struct {
	Idem
	at time.Time
}

// idemIndex finds requests by their key, and the oldest ones first.
type idemIndex struct {
	byKey map[string]idemEntry
	queue []idemEntry // in the order of the log
}

func (x *idemIndex) add(i Idem, at time.Time) {
	e := idemEntry{i, at}
	x.byKey[i.Key] = e
	x.queue = append(x.queue, e)
}

// get returns the request with this key, unless it is too old.
func (x *idemIndex) get(key string, now time.Time) (Idem, bool) {
	e, ok := x.byKey[key]
	if !ok || now.Sub(e.at) >= IdemLife {
		return Idem{}, false
	}
	return e.Idem, true
}

// expire forgets what is too old.
func (x *idemIndex) expire(now time.Time) {
	for len(x.queue) > 0 && now.Sub(x.queue[0].at) >= IdemLife {
		old := x.queue[0]
		if x.byKey[old.Key] == old { // not if the key was used again since
			delete(x.byKey, old.Key)
		}
		x.queue = x.queue[1:]
	}
	if len(x.queue) == 0 {
		x.queue = nil
	}
}
