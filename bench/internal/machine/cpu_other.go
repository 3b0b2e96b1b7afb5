//go:build !unix

package machine

import "time"

// CPUTime is the processor time that this process has used: here, where it cannot be told, always none.
func CPUTime() time.Duration { return 0 }
