// Package bug plants classic mistakes into hop, to see whether its tests find them. Each is one condition at the place where the
// mistake would be made. In ordinary builds they are constants and false, and the compiler leaves nothing of them; in a build with
// the tag hopbugs they are variables, of which the environment variable HOP_BUG or [Plant] sets one.
package bug

// A Mistake is a bug that can be planted.
type Mistake struct {
	Name  string
	What  string
	Where string // the functions; mailbox is a package, all else is in the root
}

// All lists the mistakes.
var All = []Mistake{
	{"SleepsBlind", "the receiver of a mailbox goes to sleep without a last look: the wake-up of who sends meanwhile is lost", "mailbox.Sleep"},
	{"SealsBlind", "a stop closes the mailbox only when the loop has found it empty, and without a last look: what was accepted meanwhile is stranded", "Loop.askToStop, mailbox.Seal"},
	{"LastFirst", "of a batch of messages the last is read first", "mailbox.Next"},
	{"FinishesTwice", "who completes a promise does not look whether it is completed", "Pending.settle"},
	{"CancelIsDone", "a running call that is cancelled counts as done", "Call.ask"},
	{"CancelWaitsTurn", "a queued call that is cancelled is done only when its turn comes", "Call.ask"},
	{"StartsAnyway", "who takes a function to run does not look whether the call is being cancelled", "Call.start"},
	{"UnderLock", "OnDone functions run while the call's lock is held", "Call.endLocked"},
	{"ListsBlind", "who waits for a call gets on its list without a look whether it is done", "Call.awaitHere, Call.list"},
	{"EventBlind", "who waits for an event gets on its list without a second look whether it is set", "Event.list"},
	{"MissesEnd", "a context that ends between the look at it and the registration with it is not noticed", "wait.endWithCall"},
	{"DelaysAfterStop", "a delayed call is taken by a loop that stops, and nobody cancels it", "Loop.submitAfter"},
	{"ForgetsDelayed", "a stop leaves the timers of delayed calls running", "Loop.askToStop, Loop.askDelayed"},
	{"DyingWorker", "workers that were told to end stay on the list of idle ones", "Pool.reap"},
	{"GoexitKeeps", "a function that ends its goroutine keeps its place in the pool", "worker.ended"},
	{"Overtakes", "what is sent to a pool with a place is given to a worker without a look whether something is queued", "Pool.send"},
	{"KeepsPlace", "a pool's worker keeps its place while its function waits", "wait.blockHere, fiber.receiveAside"},
	{"StaleWake", "who wakes does not look whether it is still the same wait", "wait.end"},
	{"LeavesToken", "a wait that its context ends leaves the wake-up in the channel, for the next one", "wait.blockGoroutine"},
	{"MissesPoke", "a goroutine that is about to wait is not told that there is something to run", "Waiter.wantLocked"},
	{"OneLook", "a cycle is believed after one look at the wait graph", "searchDeadlock"},
	{"NoGroupEdges", "waits for many (groups, limiters) are not in the wait graph", "graph.expand"},
	{"GrantsToEnded", "a limiter's place is given to a wait that has ended, and lost", "Limiter.grant"},
	{"LimiterBlind", "who waits for a place gets in line without a second look whether one is free", "Limiter.Acquire"},
	{"ForgetsMember", "calls made while WithGroup waits already are no members", "Call.join"},
	{"LimitForgets", "a place in a group that a waiting member gives back is not given to the next", "fiber.stepAside"},
}
