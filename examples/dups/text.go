package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain tells whether a name can be printed as it is. Names that cannot are those with control bytes (a newline, an escape
// sequence), with characters that do not show or turn the writing round, and with bytes that are not UTF-8.
func plain(name string) bool {
	for i, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(name[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// quote returns a path as it is to be printed: as it is, or as a Go string if that could be misread.
func quote(path string) string {
	if plain(path) && path != "" && !strings.HasPrefix(path, `"`) && strings.TrimSpace(path) == path {
		return path
	}
	return strconv.Quote(path)
}

// byteSize is a number of bytes, written like 64, 4k, 1.5M.
type byteSize int64

const units = "kMGTPE"

func (b byteSize) String() string {
	if b < 1024 {
		return fmt.Sprintf("%d B", int64(b))
	}
	f, unit := float64(b), 0
	for f /= 1024; f >= 1023.95 && unit < len(units)-1; unit++ {
		f /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", f, unicode.ToUpper(rune(units[unit])))
}

// Set is for package flag.
func (b *byteSize) Set(s string) error {
	digits, factor := s, 1.0
	if i := len(s) - 1; i > 0 {
		if unit := strings.IndexByte(strings.ToLower(units), s[i]|0x20); unit >= 0 {
			digits, factor = s[:i], math.Pow(1024, float64(unit+1))
		}
	}
	f, err := strconv.ParseFloat(digits, 64)
	if f *= factor; err != nil || !(f >= 0 && f < math.MaxInt64) {
		return fmt.Errorf("not a size such as 0, 512, 4k or 1.5M")
	}
	*b = byteSize(f)
	return nil
}

// count writes n of something, whose name gets an s unless n is one.
func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "y"):
		what = strings.TrimSuffix(what, "y") + "ie"
	}
	return digits(n) + " " + what + "s"
}

// digits writes n with a comma before each three digits.
func digits(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
