package collect

import "fmt"

// An Option says how [AsCompleted] treats its source.
type Option func(*options)

type options struct {
	max  int // most unfinished calls at once; 0: no bound
	keep bool
}

func (opt Option) apply(o *options) {
	if opt == nil {
		panic("hop: collect: nil Option")
	}
	opt(o)
}

// MaxConcurrent bounds how many of the calls may be unfinished at once: the source is asked for the next one only when
// fewer than n are. It panics if n is less than 1.
//
// The iterator of [AsCompleted] cannot tell a list from a source that starts calls, so there is no bound unless one is
// given (async-kernel's as_completed takes 10 for a generator).
func MaxConcurrent(n int) Option {
	if n < 1 {
		panic(fmt.Sprintf("hop: collect.MaxConcurrent(%d): want at least 1", n))
	}
	return func(o *options) { o.max = n }
}

// KeepUnfinished leaves the calls that are not finished running when the consumer leaves early or ctx ends. Without it
// they are cancelled.
func KeepUnfinished() Option {
	return func(o *options) { o.keep = true }
}
