// Package upstream holds tests only: what the test suites of Prefect (its concurrency modules), async-kernel and TruLens (its
// module asynchro) pin, written for hop.
//
// There is a file for each file of theirs, and a test is named after the one whose meaning it keeps:
// TestPrefectWaiters_SyncWaiterTimeoutInMainThread is test_sync_waiter_timeout_in_main_thread of test_waiters.py. A name that
// ends in a sentence has no test there: it keeps what their sources do, or fail to. No code is theirs. Where hop has decided
// otherwise, the test says what hop does; docs/coming-from.md has the whole table, with what is different and why, and the
// tests that they skip and hop passes.
//
// The tests use the exported names only, and nothing of each other: each can be copied out. They order things by events, by the
// virtual time of testing/synctest, and by hop's own promises, never by sleeping.
package upstream
