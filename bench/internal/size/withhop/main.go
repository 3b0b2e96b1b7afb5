// Command withhop is measured for its size beside plain, which does the same without hop.
package main

import (
	"context"
	"fmt"

	"github.com/gohop/hop"
)

func main() {
	l := hop.NewLoop(nil)
	defer l.Close()
	v, err := hop.Do(context.Background(), l, func(context.Context) (int, error) { return 42, nil })
	if err == nil {
		fmt.Println(v)
	}
}
