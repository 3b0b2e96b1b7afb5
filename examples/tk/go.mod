module github.com/gohop/hop/examples/tk

go 1.25.0

replace github.com/gohop/hop => ../..

require (
	github.com/ebitengine/purego v0.11.3
	github.com/gohop/hop v0.0.0-00010101000000-000000000000
	golang.org/x/image v0.33.0
)
