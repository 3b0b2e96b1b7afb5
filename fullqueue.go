package hop

import (
	"sync/atomic"
	"time"
)

// A call whose context is over does not count in the queue of a place with a QueueLimit, but nobody may have looked. So who finds the queue full looks at
// all that is in it. In a queue of thousands that takes much longer than all else of a refusal: there, when a look has made no room, the next is not
// before restFactor times as long has passed, and within longestRest.

const (
	briefLook   = 1000 // so many are looked at for each who is refused
	restFactor  = 10
	longestRest = time.Second
)

// A looking is what a place remembers of that.
type looking struct {
	rest atomic.Pointer[time.Time] // until when
}

func (l *looking) due() bool {
	rest := l.rest.Load()
	return rest == nil || !time.Now().Before(*rest)
}

// wasInVain is told of a look at n, since began, after which there was no room.
func (l *looking) wasInVain(n int, began time.Time) {
	if n <= briefLook {
		return
	}
	now := time.Now()
	rest := now.Add(min(restFactor*now.Sub(began), longestRest))
	l.rest.Store(&rest)
}
