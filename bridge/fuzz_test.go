package bridge_test

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/gohop/hop"
)

// same is a function that returns its argument, of every type that matters.
var same = []any{
	func(v int) any { return v },
	func(v int8) any { return v },
	func(v int16) any { return v },
	func(v int32) any { return v },
	func(v int64) any { return v },
	func(v uint) any { return v },
	func(v uint8) any { return v },
	func(v uint16) any { return v },
	func(v uint32) any { return v },
	func(v uint64) any { return v },
	func(v uintptr) any { return v },
	func(v float32) any { return v },
	func(v float64) any { return v },
	func(v celsius) any { return v },
	func(v complex64) any { return v },
	func(v string) any { return v },
	func(v id) any { return v },
	func(v []byte) any { return v },
	func(v bool) any { return v },
	func(v any) any { return v },
	func(_ context.Context, v int8) any { return v },
	func(_ context.Context, v ...uint8) any { return v[0] },
	func(v fmt.Stringer) any { return v },
	func(v map[string]int) any { return v },
}

// FuzzInvoke gives each function arguments of every type and checks what arrives against arithmetic that never rounds.
func FuzzInvoke(f *testing.F) {
	f.Add(uint8(0), uint8(0), int64(0), 0.0, "")
	f.Add(uint8(1), uint8(1), int64(128), 127.0, "a")
	f.Add(uint8(12), uint8(1), int64(1<<53+1), 0.1, "b")
	f.Add(uint8(4), uint8(3), int64(math.MinInt64), -9223372036854775808.0, "\xff")
	f.Add(uint8(9), uint8(2), int64(-1), 18446744073709551615.0, "c")
	f.Add(uint8(11), uint8(3), int64(1<<24+1), math.Copysign(0, -1), "")
	f.Add(uint8(0), uint8(3), int64(3), math.Inf(1), "")
	f.Add(uint8(11), uint8(3), int64(3), math.NaN(), "")
	f.Fuzz(func(t *testing.T, fn, kind uint8, n int64, x float64, s string) {
		g := same[int(fn)%len(same)]
		args := []any{
			int(n), n, uint64(n), x, float32(x), celsius(x), complex(x, float64(n)), s, id(s), []byte(s), n&1 == 0, nil,
			int8(n), uint8(n), int32(n), uint32(n), s == "",
		}
		arg := args[int(kind)%len(args)]
		got, err := invoke(t, hop.Inline, g, arg)
		to := reflect.TypeOf(g)
		param := to.In(to.NumIn() - 1)
		if to.IsVariadic() {
			param = param.Elem()
		}
		want, ok := expect(arg, param)
		switch {
		case ok && (err != nil || !equal(got, want)):
			t.Errorf("%T with %v (%T): %v (%T), %v; want %v", g, arg, arg, got, got, err, want)
		case !ok && err == nil:
			t.Errorf("%T with %v (%T): %v (%T); want an error", g, arg, arg, got, got)
		case !ok:
			if m := err.Error(); !strings.HasPrefix(m, "hop: ") || !strings.Contains(m, "parameter") ||
				!strings.Contains(m, param.String()) || !strings.Contains(m, "bridge_test.") {
				t.Errorf("the error does not name the parameter: %v", m)
			}
		}
		// A wrong number of arguments is never a panic.
		if _, err := invoke(t, hop.Inline, g, arg, arg, arg); err == nil && !to.IsVariadic() {
			t.Errorf("%T took three arguments", g)
		}
		if _, err := invoke(t, hop.Inline, g); err == nil {
			t.Errorf("%T took no argument", g)
		}
	})
}

// expect says what a is in type to, if anything.
func expect(a any, to reflect.Type) (any, bool) {
	if a == nil {
		switch to.Kind() {
		case reflect.Interface, reflect.Slice, reflect.Map:
			return reflect.Zero(to).Interface(), true
		}
		return nil, false
	}
	v := reflect.ValueOf(a)
	if v.Type() == to || to.Kind() == reflect.Interface && to.NumMethod() == 0 {
		return a, true
	}
	if to.Kind() == reflect.String && v.Kind() == reflect.String {
		return reflect.ValueOf(v.String()).Convert(to).Interface(), true
	}
	if to.Kind() == reflect.Complex64 && v.Kind() == reflect.Complex128 {
		c := v.Complex()
		if w := complex64(c); equal(complex128(w), c) {
			return w, true
		}
		return nil, false
	}
	out := reflect.New(to).Elem()
	var x big.Float
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		x.SetInt64(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		x.SetUint64(v.Uint())
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			if !out.CanFloat() {
				return nil, false
			}
			out.SetFloat(f)
			return out.Interface(), true
		}
		x.SetFloat64(f)
	default:
		return nil, false
	}
	switch {
	case out.CanInt():
		i, acc := x.Int64()
		if !x.IsInt() || acc != big.Exact || out.OverflowInt(i) || x.Sign() == 0 && x.Signbit() {
			return nil, false
		}
		out.SetInt(i)
	case out.CanUint():
		u, acc := x.Uint64() // Exact is not enough: Go 1.26 says so of 64.5 too
		if !x.IsInt() || acc != big.Exact || out.OverflowUint(u) || x.Sign() == 0 && x.Signbit() {
			return nil, false
		}
		out.SetUint(u)
	case to.Kind() == reflect.Float32:
		f, acc := x.Float32()
		if acc != big.Exact {
			return nil, false
		}
		out.SetFloat(float64(f))
	case out.CanFloat():
		f, acc := x.Float64()
		if acc != big.Exact {
			return nil, false
		}
		out.SetFloat(f)
	default:
		return nil, false
	}
	return out.Interface(), true
}

// equal is equality for which NaN is NaN and -0 is not 0.
func equal(a, b any) bool {
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	if !v.IsValid() || !w.IsValid() || v.Type() != w.Type() {
		return a == nil && b == nil || a == nil && w.IsZero() || b == nil && v.IsZero()
	}
	floats := func(x, y float64) bool {
		return math.IsNaN(x) && math.IsNaN(y) || x == y && math.Signbit(x) == math.Signbit(y)
	}
	switch {
	case v.CanFloat():
		return floats(v.Float(), w.Float())
	case v.CanComplex():
		x, y := v.Complex(), w.Complex()
		return floats(real(x), real(y)) && floats(imag(x), imag(y))
	}
	return reflect.DeepEqual(a, b)
}
