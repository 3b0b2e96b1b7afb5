//go:build !hopbugs

package bug

// Planted reports whether bugs can be planted in this build.
const Planted = false

// The mistakes; see list.go for what each is.
const (
	SleepsBlind     = false
	SealsBlind      = false
	LastFirst       = false
	FinishesTwice   = false
	CancelIsDone    = false
	CancelWaitsTurn = false
	StartsAnyway    = false
	UnderLock       = false
	ListsBlind      = false
	EventBlind      = false
	MissesEnd       = false
	DelaysAfterStop = false
	ForgetsDelayed  = false
	DyingWorker     = false
	GoexitKeeps     = false
	Overtakes       = false
	KeepsPlace      = false
	StaleWake       = false
	LeavesToken     = false
	MissesPoke      = false
	OneLook         = false
	NoGroupEdges    = false
	GrantsToEnded   = false
	LimiterBlind    = false
	ForgetsMember   = false
	LimitForgets    = false
)
