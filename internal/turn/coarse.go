//go:build !hopexplore

package turn

import "sync"

// Fine reports whether locks and races inside hop are points too.
const Fine = false

// A Mutex is a lock of hop's.
type Mutex = sync.Mutex

// Race is called before a word that decides a race is changed.
func Race(any) {}
