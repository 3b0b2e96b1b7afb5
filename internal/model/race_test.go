//go:build race

package model_test

func init() { usually = 1000 } // it is ten times as slow
