//go:build !hopexplore

package turn

import (
	"sync"

	"github.com/gohop/hop/internal/spin"
)

// Fine reports whether locks and races inside hop are points too.
const Fine = false

// A Mutex is a lock of hop's.
type Mutex = sync.Mutex

// A Short is a lock of hop's that is held for a few instructions, but for what is rare: reports.
type Short = spin.Mutex

// Race is called before a word that decides a race is changed.
func Race(any) {}
