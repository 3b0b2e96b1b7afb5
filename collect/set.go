package collect

import "hash/maphash"

// A set of pointers. It is what a map[*P]struct{} is, for a third of the time at a million: most of what AsCompleted
// itself would cost otherwise. Open addressing, linear probing; slots is a power of two and at most half full.
type set[P any] struct {
	slots []*P
	n     int
}

var seed = maphash.MakeSeed()

func (s *set[P]) home(p *P) int { return int(maphash.Comparable(seed, p)) & (len(s.slots) - 1) }

// find returns where p is, or is to be.
func (s *set[P]) find(p *P) int {
	i := s.home(p)
	for s.slots[i] != nil && s.slots[i] != p {
		i = (i + 1) & (len(s.slots) - 1)
	}
	return i
}

// add returns false if p is there already.
func (s *set[P]) add(p *P) bool {
	if 2*s.n >= len(s.slots) {
		old := s.slots
		s.slots = make([]*P, max(16, 2*len(old)))
		for _, q := range old {
			if q != nil {
				s.slots[s.find(q)] = q
			}
		}
	}
	i := s.find(p)
	if s.slots[i] == p {
		return false
	}
	s.slots[i] = p
	s.n++
	return true
}

// remove takes p out; it is there.
func (s *set[P]) remove(p *P) {
	hole := s.find(p)
	s.n--
	// What follows without a gap moves into the hole if that is on its way from home, so that no search ends early.
	mask := len(s.slots) - 1
	for i := (hole + 1) & mask; s.slots[i] != nil; i = (i + 1) & mask {
		if home := s.home(s.slots[i]); (i-home)&mask >= (i-hole)&mask {
			s.slots[hole] = s.slots[i]
			hole = i
		}
	}
	s.slots[hole] = nil
}
