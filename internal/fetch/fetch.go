// Package fetch asks for memory that will be needed soon, so that it is in the processor's cache by then: what waits on another core or in main memory
// takes as long to come as some hundred instructions. To ask costs about a nanosecond a line, does not wait, changes nothing, and is no access: an
// address that is not valid any more is no harm.
package fetch

// Line is how much comes at once, in bytes.
const Line = 64
