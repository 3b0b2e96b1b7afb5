module github.com/gohop/hop/internal/ccalltest

go 1.25.0

require (
	github.com/ebitengine/purego v0.11.3
	github.com/gohop/hop v0.0.0
)

replace github.com/gohop/hop => ../..
