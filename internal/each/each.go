// Package each goes through what must be gone through to its end.
package each

// Do calls f for each of all, also if one of the calls panics or ends the goroutine by runtime.Goexit: functions of users run in these, and what is
// left to be told is for now or never.
func Do[T any](all []T, f func(T)) {
	i := 0
	defer func() {
		if i < len(all) {
			Do(all[i:], f)
		}
	}()
	for i < len(all) {
		i++
		f(all[i-1])
	}
}
