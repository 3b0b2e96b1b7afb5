package bridge

// Arguments: what fits a parameter, and how an error says what does not.

import (
	"fmt"
	"math"
	"math/bits"
	"reflect"
)

// arguments returns args as the values to call f with, which is a function named name; the context is not among them.
func arguments(name string, t reflect.Type, args []any) ([]reflect.Value, error) {
	skip := 0
	if takesContext(t) {
		skip = 1
	}
	fixed := t.NumIn() - skip
	if t.IsVariadic() {
		fixed--
	}
	if len(args) < fixed {
		return nil, fmt.Errorf("hop: bridge.Invoke: %s: no argument for parameter %d (%v): %d given, want %s",
			name, skip+len(args)+1, t.In(skip+len(args)), len(args), count(fixed, t.IsVariadic()))
	}
	if len(args) > fixed && !t.IsVariadic() {
		return nil, fmt.Errorf("hop: bridge.Invoke: %s: no parameter %d for argument %d (%T): %d given, want %s",
			name, skip+fixed+1, fixed+1, args[fixed], len(args), count(fixed, false))
	}
	in := make([]reflect.Value, len(args))
	for i, a := range args {
		var to reflect.Type
		if i < fixed {
			to = t.In(skip + i)
		} else {
			to = t.In(t.NumIn() - 1).Elem()
		}
		v, why := fit(a, to)
		if why != "" {
			return nil, fmt.Errorf("hop: bridge.Invoke: %s: argument %d does not fit parameter %d (%v): %s",
				name, i+1, skip+min(i, fixed)+1, to, why)
		}
		in[i] = v
	}
	return in, nil
}

func count(n int, more bool) string {
	s := fmt.Sprint(n)
	if more {
		s += " or more"
	}
	return s
}

// fit returns a as a value of type to, or why that cannot be: as Go would assign it, or converted where nothing is lost.
func fit(a any, to reflect.Type) (v reflect.Value, why string) {
	if a == nil {
		switch to.Kind() {
		case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.UnsafePointer:
			return reflect.Zero(to), ""
		}
		return v, "nil is no value of that type"
	}
	v = reflect.ValueOf(a)
	from := v.Type()
	switch {
	case from.AssignableTo(to):
		return v, "" // Call assigns it
	case isReal(from.Kind()) && isReal(to.Kind()), isComplex(from.Kind()) && isComplex(to.Kind()):
		if !exact(v, to) {
			return v, fmt.Sprintf("%v (a %v) has no exact value there", a, from)
		}
		return v.Convert(to), ""
	case from.Kind() == to.Kind() && to.Kind() != reflect.Interface && from.ConvertibleTo(to):
		// The same underlying type under another name. Not string([]byte), []byte(string), string(rune) and arrays from
		// slices, whose kinds differ: these are more than a matter of names.
		return v.Convert(to), ""
	}
	return v, fmt.Sprintf("it is a %v", from)
}

// exact tells whether number v has the same value in type to: converted there and back it would be the same, to the sign
// of zero. NaN stays NaN.
func exact(v reflect.Value, to reflect.Type) bool {
	zero := reflect.Zero(to)
	switch from := v.Kind(); {
	case isComplex(from):
		return floatExact(real(v.Complex()), to.Bits()/2) && floatExact(imag(v.Complex()), to.Bits()/2)
	case isInt(from):
		n := v.Int()
		switch {
		case isInt(to.Kind()):
			return !zero.OverflowInt(n)
		case isUint(to.Kind()):
			return n >= 0 && !zero.OverflowUint(uint64(n))
		}
		// -n of the least int64 is itself, whose bits are those of its amount.
		return digits(uint64(max(n, -n))) <= mantissa(to)
	case isUint(from):
		n := v.Uint()
		switch {
		case isInt(to.Kind()):
			return n <= math.MaxInt64 && !zero.OverflowInt(int64(n))
		case isUint(to.Kind()):
			return !zero.OverflowUint(n)
		}
		return digits(n) <= mantissa(to)
	}
	f := v.Float()
	switch whole := f == math.Trunc(f) && !(f == 0 && math.Signbit(f)); {
	case isInt(to.Kind()):
		return whole && f >= -1<<63 && f < 1<<63 && !zero.OverflowInt(int64(f))
	case isUint(to.Kind()):
		return whole && f >= 0 && f < 1<<64 && !zero.OverflowUint(uint64(f))
	}
	return floatExact(f, to.Bits())
}

func floatExact(f float64, size int) bool {
	return size == 64 || math.IsNaN(f) || float64(float32(f)) == f
}

// digits returns how many binary digits n has between its first and its last one.
func digits(n uint64) int {
	if n == 0 {
		return 0
	}
	return bits.Len64(n) - bits.TrailingZeros64(n)
}

// mantissa returns how many binary digits fit in float type t.
func mantissa(t reflect.Type) int {
	if t.Bits() == 32 {
		return 24
	}
	return 53
}

func isReal(k reflect.Kind) bool    { return k >= reflect.Int && k <= reflect.Float64 }
func isInt(k reflect.Kind) bool     { return k >= reflect.Int && k <= reflect.Int64 }
func isUint(k reflect.Kind) bool    { return k >= reflect.Uint && k <= reflect.Uintptr }
func isComplex(k reflect.Kind) bool { return k == reflect.Complex64 || k == reflect.Complex128 }
