#include "textflag.h"

// func Self() uintptr
TEXT ·Self(SB), NOSPLIT|NOFRAME, $0-8
	MOVD g, R2
	MOVD R2, ret+0(FP)
	RET
