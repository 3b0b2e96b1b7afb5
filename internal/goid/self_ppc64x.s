//go:build ppc64 || ppc64le

#include "textflag.h"

// func Self() uintptr
TEXT ·Self(SB), NOSPLIT|NOFRAME, $0-8
	MOVD g, R3
	MOVD R3, ret+0(FP)
	RET
