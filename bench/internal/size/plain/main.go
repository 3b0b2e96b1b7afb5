// Command plain is measured for its size beside withhop, which does the same with hop.
package main

import (
	"context"
	"fmt"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan int, 1)
	go func() { result <- 42 }()
	select {
	case v := <-result:
		fmt.Println(v)
	case <-ctx.Done():
	}
}
