package model

// Shrink makes p smaller as long as fails says that what is left fails. It returns the smallest that it has found.
func Shrink(p *Program, fails func(*Program) bool) *Program {
	for again := true; again; {
		again = false
		for i := 0; ; i++ {
			smaller := p.clone()
			if !smaller.cut(i) {
				break
			}
			if fails(smaller) {
				p, again = smaller, true
				i-- // the next cut has its number now
			}
		}
	}
	return p
}

func (p *Program) clone() *Program {
	c := *p
	c.Loops = append([]Loop(nil), p.Loops...)
	c.Pools = append([]Pool(nil), p.Pools...)
	c.Limiters = append([]int(nil), p.Limiters...)
	c.Calls = append([]Call(nil), p.Calls...)
	for i := range c.Calls {
		c.Calls[i].Body = cloneSteps(c.Calls[i].Body)
	}
	c.Actors = append([]Actor(nil), p.Actors...)
	for i := range c.Actors {
		c.Actors[i].Body = cloneSteps(c.Actors[i].Body)
	}
	return &c
}

func cloneSteps(steps []Step) []Step {
	steps = append([]Step(nil), steps...)
	for i := range steps {
		steps[i].Body = cloneSteps(steps[i].Body)
	}
	return steps
}

// cut makes the n-th of the changes that make the program smaller; false: there are not so many.
func (p *Program) cut(n int) bool {
	next := func() bool { n--; return n == -1 }
	for i := len(p.Calls) - 1; i >= 0; i-- {
		if next() {
			p.dropCall(i)
			return true
		}
	}
	for i := range p.Actors {
		if len(p.Actors[i].Body) > 0 && next() {
			p.Actors[i].Body = nil
			p.dropUnmade()
			return true
		}
	}
	for _, body := range p.bodies() {
		if p.cutSteps(body, next) {
			p.dropUnmade()
			return true
		}
	}
	for i := range p.Calls {
		if p.Calls[i].cut(next) {
			return true
		}
	}
	for i := range p.Loops {
		if p.Loops[i].Kind != Own && next() {
			p.Loops[i].Kind = Own
			return true
		}
	}
	for i := range p.Pools {
		if l := &p.Pools[i]; l.Threads && next() {
			l.Threads = false
			return true
		} else if l.Keep != 0 && next() {
			l.Keep = 0
			return true
		} else if l.Idle != 0 && next() {
			l.Idle = 0
			return true
		}
	}
	return p.dropLast(next)
}

// bodies returns all lists of steps.
func (p *Program) bodies() []*[]Step {
	var bs []*[]Step
	for i := range p.Actors {
		bs = append(bs, &p.Actors[i].Body)
	}
	for i := range p.Calls {
		bs = append(bs, &p.Calls[i].Body)
	}
	return bs
}

func (p *Program) cutSteps(steps *[]Step, next func() bool) bool {
	for i := len(*steps) - 1; i >= 0; i-- {
		s := &(*steps)[i]
		switch {
		case s.Op == InGroup && next():
			// What is in the group, without it.
			*steps = append(append(append([]Step(nil), (*steps)[:i]...), s.Body...), (*steps)[i+1:]...)
			return true
		case next():
			*steps = append((*steps)[:i:i], (*steps)[i+1:]...)
			return true
		case s.Careful && next():
			s.Careful = false
			return true
		case s.D > 1 && next():
			s.D = 1
			return true
		case s.Op == Wait && s.D > 0 && next():
			s.D = 0
			return true
		case s.Group != (Group{}) && next():
			s.Group = Group{}
			return true
		case p.cutSteps(&s.Body, next):
			return true
		}
	}
	return false
}

func (c *Call) cut(next func() bool) bool {
	switch {
	case c.End != Value && next():
		c.End = Value
	case c.Hooks > 0 && next():
		c.Hooks = 0
	case c.Timeout > 0 && next():
		c.Timeout = 0
	case c.Abandon && next():
		c.Abandon = false
	case c.Detached && next():
		c.Detached = false
	case c.Via != Go && next():
		c.Via, c.Delay = Go, 0
	case c.Delay > 1 && next():
		c.Delay = 1
	case c.On.Kind != OnGoroutines && next():
		c.On = Place{Kind: OnGoroutines}
		if c.Via == Post {
			c.Via = Go
		}
	default:
		return false
	}
	return true
}

// dropLast takes the last loop, pool or actor away, if nobody uses it.
func (p *Program) dropLast(next func() bool) bool {
	loops, pools, actors := 1, 0, 1
	use := func(at Place) {
		switch at.Kind {
		case OnLoop:
			loops = max(loops, at.N+1)
		case OnPool:
			pools = max(pools, at.N+1)
		}
	}
	var walk func(steps []Step)
	walk = func(steps []Step) {
		for _, s := range steps {
			switch s.Op {
			case Shut, Close, Resize:
				use(s.At)
			case EndContext:
				actors = max(actors, s.N+1)
			}
			walk(s.Body)
		}
	}
	for _, b := range p.bodies() {
		walk(*b)
	}
	for _, c := range p.Calls {
		use(c.On)
	}
	for i, a := range p.Actors {
		if len(a.Body) > 0 {
			actors = max(actors, i+1)
		}
	}
	switch {
	case len(p.Loops) > loops && next():
		p.Loops = p.Loops[:loops]
	case len(p.Pools) > pools && next():
		p.Pools = p.Pools[:pools]
	case len(p.Actors) > actors && next():
		p.Actors = p.Actors[:actors]
	default:
		return false
	}
	return true
}

// dropUnmade takes the calls away that nobody makes any more.
func (p *Program) dropUnmade() {
	for i := len(p.Calls) - 1; i >= 0; i-- {
		if !p.makes(i) {
			p.dropCall(i)
			i = len(p.Calls) // it may have made others
		}
	}
}

func (p *Program) makes(n int) bool {
	var in func(steps []Step) bool
	in = func(steps []Step) bool {
		for _, s := range steps {
			if s.Op == Start && s.N == n || in(s.Body) {
				return true
			}
		}
		return false
	}
	for _, b := range p.bodies() {
		if in(*b) {
			return true
		}
	}
	return false
}

// dropCall takes call n away, with what is done with it, and what it makes with it.
func (p *Program) dropCall(n int) {
	var without func(steps []Step) []Step
	without = func(steps []Step) []Step {
		var kept []Step
		for _, s := range steps {
			if s.aboutCall() {
				if s.N == n {
					continue
				}
				if s.N > n {
					s.N--
				}
			}
			s.Body = without(s.Body)
			kept = append(kept, s)
		}
		return kept
	}
	p.Calls = append(p.Calls[:n:n], p.Calls[n+1:]...)
	for _, b := range p.bodies() {
		*b = without(*b)
	}
	for i := len(p.Calls) - 1; i >= 0; i-- {
		if !p.makes(i) {
			p.dropCall(i)
			return
		}
	}
}

// aboutCall reports whether N is a call.
func (s Step) aboutCall() bool {
	switch s.Op {
	case Start, Wait, WaitOwned, Serve, Cancel, CancelWait, Look, Hook:
		return true
	}
	return false
}
