//go:build race

package hop_test

const raceEnabled = true
