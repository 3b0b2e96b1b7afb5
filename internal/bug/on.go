//go:build hopbugs

package bug

import (
	"fmt"
	"os"
)

// Planted reports whether bugs can be planted in this build.
const Planted = true

// The mistakes; see list.go for what each is.
var (
	SleepsBlind, SealsBlind, LastFirst                         bool
	FinishesTwice, CancelIsDone, CancelWaitsTurn, StartsAnyway bool
	UnderLock, ListsBlind, EventBlind, MissesEnd               bool
	DelaysAfterStop, ForgetsDelayed                            bool
	DyingWorker, GoexitKeeps, KeepsPlace, Overtakes            bool
	StaleWake, LeavesToken, MissesPoke                         bool
	OneLook, NoGroupEdges                                      bool
	GrantsToEnded, LimiterBlind                                bool
	ForgetsMember, LimitForgets                                bool
)

var switches = map[string]*bool{
	"SleepsBlind": &SleepsBlind, "SealsBlind": &SealsBlind, "LastFirst": &LastFirst,
	"FinishesTwice": &FinishesTwice, "CancelIsDone": &CancelIsDone, "CancelWaitsTurn": &CancelWaitsTurn, "StartsAnyway": &StartsAnyway,
	"UnderLock": &UnderLock, "ListsBlind": &ListsBlind, "EventBlind": &EventBlind, "MissesEnd": &MissesEnd,
	"DelaysAfterStop": &DelaysAfterStop, "ForgetsDelayed": &ForgetsDelayed,
	"DyingWorker": &DyingWorker, "GoexitKeeps": &GoexitKeeps, "KeepsPlace": &KeepsPlace, "Overtakes": &Overtakes,
	"StaleWake": &StaleWake, "LeavesToken": &LeavesToken, "MissesPoke": &MissesPoke,
	"OneLook": &OneLook, "NoGroupEdges": &NoGroupEdges,
	"GrantsToEnded": &GrantsToEnded, "LimiterBlind": &LimiterBlind,
	"ForgetsMember": &ForgetsMember, "LimitForgets": &LimitForgets,
}

func init() {
	if name := os.Getenv("HOP_BUG"); name != "" {
		Plant(name)
	}
}

// Plant sets the mistake of that name and no other; "": none. It must be called while nothing of hop runs.
func Plant(name string) {
	for _, on := range switches {
		*on = false
	}
	if name == "" {
		return
	}
	on := switches[name]
	if on == nil {
		panic(fmt.Sprintf("hop: there is no bug %q", name))
	}
	*on = true
}
