#include "textflag.h"

// func Lines(p uintptr, n uint)
TEXT ·Lines(SB), NOSPLIT|NOFRAME, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
again:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUB  $1, R1
	CBNZ R1, again
	RET

// func Words(p uintptr, n uint)
TEXT ·Words(SB), NOSPLIT|NOFRAME, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
word:
	MOVD (R0), R2
	PRFM (R2), PLDL1KEEP
	ADD  $8, R0
	TST  $0xfff, R0
	BEQ  done
	SUB  $1, R1
	CBNZ R1, word
done:
	RET

// func SP() uintptr
TEXT ·SP(SB), NOSPLIT|NOFRAME, $0-8
	MOVD RSP, R0
	MOVD R0, ret+0(FP)
	RET

// func Own(p uintptr, n uint)
TEXT ·Own(SB), NOSPLIT|NOFRAME, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1
own:
	PRFM (R0), PSTL1KEEP
	ADD  $64, R0
	SUB  $1, R1
	CBNZ R1, own
	RET
