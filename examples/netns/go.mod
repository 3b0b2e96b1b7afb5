module github.com/gohop/hop/examples/netns

go 1.25.0

require (
	github.com/gohop/hop v0.0.0
	github.com/vishvananda/netlink v1.3.1
	github.com/vishvananda/netns v0.0.5
	golang.org/x/net v0.47.0
	golang.org/x/sys v0.38.0
)

replace github.com/gohop/hop => ../..
