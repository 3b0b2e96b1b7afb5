#include "textflag.h"

// func Self() uintptr
TEXT ·Self(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET

// func CallerPC() uintptr
//
// BP is the frame pointer of the function that called CallerPC; the word above the saved BP is that
// function's return address.
TEXT ·CallerPC(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ 8(BP), AX
	MOVQ AX, ret+0(FP)
	RET

// func Pause(n uint32)
TEXT ·Pause(SB), NOSPLIT|NOFRAME, $0-4
	MOVL n+0(FP), AX
again:
	PAUSE
	SUBL $1, AX
	JNZ  again
	RET
