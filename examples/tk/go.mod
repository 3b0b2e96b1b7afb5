module github.com/gohop/hop/examples/tk

go 1.25.0

replace github.com/gohop/hop => ../..

require github.com/ebitengine/purego v0.11.3 // indirect
