#include "textflag.h"

// func Self() uintptr
TEXT ·Self(SB), NOSPLIT|NOFRAME, $0-8
	MOVD g, R0
	MOVD R0, ret+0(FP)
	RET

// func CallerPC() uintptr
//
// R29 is the frame pointer of the function that called CallerPC; the word above the saved frame pointer is
// that function's return address.
TEXT ·CallerPC(SB), NOSPLIT|NOFRAME, $0-8
	MOVD 8(R29), R0
	MOVD R0, ret+0(FP)
	RET

// func Pause(n uint32)
TEXT ·Pause(SB), NOSPLIT|NOFRAME, $0-4
	MOVWU n+0(FP), R0
again:
	YIELD
	SUBW $1, R0
	CBNZ R0, again
	RET
