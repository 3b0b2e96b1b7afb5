#include "textflag.h"

// func frames(pcs *uintptr, n, skip int) int
//
// The first two words of a g are the bounds of its stack. BP is the frame pointer of the caller; at each frame pointer is that of the frame
// above, and in the next word the return address. The stack does not move here, since nothing is called.
TEXT ·frames(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ (TLS), AX
	MOVQ 0(AX), R8         // the stack's first byte
	MOVQ 8(AX), R9
	SUBQ $16, R9           // the last address where a frame's two words fit
	MOVQ pcs+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ skip+16(FP), R10
	XORQ AX, AX
	MOVQ BP, SI
frame:
	CMPQ SI, R8
	JCS  end
	CMPQ SI, R9
	JHI  end
	CMPQ AX, CX
	JGE  end
	SUBQ $1, R10
	JGE  up
	MOVQ 8(SI), DX
	MOVQ DX, (DI)(AX*8)
	INCQ AX
up:
	MOVQ (SI), DX
	CMPQ DX, SI
	JLS  end               // what calls is above: so this ends
	MOVQ DX, SI
	JMP  frame
end:
	MOVQ AX, ret+24(FP)
	RET
