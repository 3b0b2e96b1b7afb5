// Package bridge stands between the two styles in which a function can be written: one that returns its result, and one
// that returns a Pending of it.
//
//	Sync     a function that returns a Pending, as one that returns the result
//	Async    a function that returns the result, as one that runs on a portal and returns a Pending
//	Invoke   any function at all, found by reflection, run on a portal
//
// Most programs need none of it. In hop a function that takes a context can wait anywhere, so there is one style, and
// [hop.Do] and [hop.Go] choose for each call. This package is for functions that others have written, and for programs that
// get their functions and arguments at run time: plug-ins, command tables, RPC, scripts.
//
// The package stands on the exported names of package hop, but for a cancel of several calls at once. It follows sync and desync of TruLens, and
// sync_compatible of Prefect.
package bridge
