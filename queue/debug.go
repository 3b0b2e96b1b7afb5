package queue
import "fmt"
func (q *Queue[T]) Debug() string {
	if !q.mu.TryLock() { return "locked" }
	defer q.mu.Unlock()
	return fmt.Sprintf("len %d dead %d head %d tail %d allowed %d active %v last.pending %v last %v inflight %d watched %v ticking %v room %v granted %d ending %v loop %v batch %v", q.ring.len(), q.ring.dead, q.ring.head, q.ring.tail, q.allowed, q.active != nil, q.last.pending(), q.last != nil && q.last.p.Call().State().Done(), q.inflight, q.watched, q.ticking, q.room.first != nil, q.room.granted, q.ending, q.loop != nil, q.batch != nil)
}
