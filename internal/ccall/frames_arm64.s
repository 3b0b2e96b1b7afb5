#include "textflag.h"

// func frames(pcs *uintptr, n, skip int) int
//
// The first two words of a g are the bounds of its stack. R29 is the frame pointer of the caller; at each frame pointer is that of the frame
// above, and in the next word the return address. The stack does not move here, since nothing is called.
TEXT ·frames(SB), NOSPLIT|NOFRAME, $0-32
	MOVD 0(g), R1          // the stack's first byte
	MOVD 8(g), R2
	SUB  $16, R2           // the last address where a frame's two words fit
	MOVD pcs+0(FP), R3
	MOVD n+8(FP), R4
	MOVD skip+16(FP), R5
	MOVD ZR, R0
	MOVD R29, R6
frame:
	CMP  R1, R6
	BLO  end
	CMP  R2, R6
	BHI  end
	CMP  R4, R0
	BGE  end
	SUBS $1, R5, R5
	BGE  up
	MOVD 8(R6), R7
	MOVD R7, (R3)(R0<<3)
	ADD  $1, R0
up:
	MOVD (R6), R7
	CMP  R6, R7
	BLS  end               // what calls is above: so this ends
	MOVD R7, R6
	B    frame
end:
	MOVD R0, ret+24(FP)
	RET
