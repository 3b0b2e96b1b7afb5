module github.com/gohop/hop

go 1.25
