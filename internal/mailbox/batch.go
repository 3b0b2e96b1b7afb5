//go:build !wasm

package mailbox

// Batch bounds how much is taken at once, so that a receiver with much to do still looks for what goes before. What it has read, and what that
// refers to, stays until it takes the next.
const Batch = 1024
