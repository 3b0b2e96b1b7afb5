#include "textflag.h"

// func Lines(p uintptr, n uint)
TEXT ·Lines(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
again:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	SUBQ $1, CX
	JNZ  again
	RET

// func Words(p uintptr, n uint)
TEXT ·Words(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
word:
	MOVQ (AX), DX
	PREFETCHT0 (DX)
	ADDQ $8, AX
	TESTQ $0xfff, AX
	JZ   done
	SUBQ $1, CX
	JNZ  word
done:
	RET

// func SP() uintptr
TEXT ·SP(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ SP, ret+0(FP)
	RET

// func Own(p uintptr, n uint)
TEXT ·Own(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ p+0(FP), AX
	MOVQ n+8(FP), CX
own:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX), which the assembler does not know
	ADDQ $64, AX
	SUBQ $1, CX
	JNZ  own
	RET
