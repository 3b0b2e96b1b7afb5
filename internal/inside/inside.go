// Package inside lets hop's own packages do what its users cannot: hop fills it in.
package inside

import "context"

// StopLoop shuts a protected *hop.Loop down; see hop.Loop.Shutdown.
var StopLoop func(loop any, ctx context.Context) error
