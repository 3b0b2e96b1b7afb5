package mailbox

// Batch bounds how much is taken at once: on wasm, where there is one thread, nobody else runs meanwhile.
const Batch = 256
