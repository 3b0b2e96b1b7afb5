package queue

import (
	"strconv"
	"strings"

	"github.com/gohop/hop"
)

// A queueError is an error of a queue: what it says of itself, and why. The text is made when it is asked for, since the error below may be a user's, and
// most are never read.
type queueError struct {
	queue string
	says  string
	why   error
}

func (q *Queue[T]) error(why error, says string) error { return &queueError{q.name, says, why} }

func (e *queueError) Error() string {
	s := "hop: queue " + strconv.Quote(e.queue)
	if e.says != "" {
		s += " " + e.says
		if e.why == hop.ErrFull || e.why == hop.ErrStopped {
			return s // that says no more
		}
	}
	return s + ": " + strings.TrimPrefix(e.why.Error(), "hop: ")
}

func (e *queueError) Unwrap() error { return e.why }

// count says how many do or are something, in the words for one and those for others.
func count(n int, one, others string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + others
}
