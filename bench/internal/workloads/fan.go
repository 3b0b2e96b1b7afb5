package workloads

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/bytedance/gopkg/util/gopool"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/gohop/hop"
	"github.com/gohop/hop/bench/internal/harness"
)

const workers = 8

// A fan is the work of B7 and B9: so many submitters give so many small calls each to one pool of eight workers, and all
// the results are added up.
type fan struct {
	submitters, each int
}

func (f fan) total() int { return f.submitters * f.each }

// submit lets every submitter call put for each of its calls, and returns when all have.
func (f fan) submit(put func(i int)) {
	if f.submitters == 1 {
		for i := range f.each {
			put(i)
		}
		return
	}
	var wg sync.WaitGroup
	for s := range f.submitters {
		wg.Go(func() {
			for i := s * f.each; i < (s+1)*f.each; i++ {
				put(i)
			}
		})
	}
	wg.Wait()
}

func (f fan) check(results []int) error {
	sum := 0
	for _, v := range results {
		sum += v
	}
	return harness.Same("the sum of the results", sum, sumOfSquares(f.total()))
}

// peers are the pools that people use. Those that outlive a batch, by their documentation, are made once.
func (f fan) peers() []harness.Side {
	library := func(name string, start func() (*harness.Run, error)) harness.Side {
		return harness.Side{Name: name, Kind: harness.Library, New: start}
	}
	return []harness.Side{
		library("pond group", f.pond),
		library("pond result group", f.pondResults),
		library("conc", f.conc),
		library("errgroup", f.errgroup),
		library("ants", f.ants),
		library("gopool", f.gopool),
		library("gammazero", f.gammazero),
		{Name: "8 goroutines, a channel", Kind: harness.Plain, New: f.plain},
	}
}

// hopGo keeps the typed results.
func (f fan) hopGo() (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Name: "bench", Size: workers})
	pending := make([]*hop.Pending[int], f.total())
	return &harness.Run{
		Do: harness.Every(func() error {
			f.submit(func(i int) {
				pending[i] = hop.Go(background, p, func(context.Context) (int, error) { return square(i), nil })
			})
			sum := 0
			for _, one := range pending {
				v, err := one.Wait(background)
				if err != nil {
					return err
				}
				sum += v
			}
			return harness.Same("the sum of the results", sum, sumOfSquares(f.total()))
		}),
		Close: func() { p.Close() },
	}, nil
}

// hopPost is fire and forget, as most of the peers are: the results go into a slice.
func (f fan) hopPost() (*harness.Run, error) {
	p := hop.NewPool(&hop.PoolOptions{Name: "bench", Size: workers})
	return f.waited(func(task func()) error { return p.Post(task) }, func() { p.Close() }), nil
}

// waited is the Run of a pool that takes functions and does not tell when they are done.
func (f fan) waited(submit func(func()) error, stop func()) *harness.Run {
	results := make([]int, f.total())
	return &harness.Run{
		Do: harness.Every(func() error {
			clear(results)
			var wg sync.WaitGroup
			var failed error
			var once sync.Once
			wg.Add(f.total())
			f.submit(func(i int) {
				err := submit(func() {
					results[i] = square(i)
					wg.Done()
				})
				if err != nil {
					wg.Done()
					once.Do(func() { failed = err })
				}
			})
			wg.Wait()
			if failed != nil {
				return failed
			}
			return f.check(results)
		}),
		Close: stop,
	}
}

func (f fan) pond() (*harness.Run, error) {
	p := pond.NewPool(workers)
	results := make([]int, f.total())
	return &harness.Run{
		Do: harness.Every(func() error {
			clear(results)
			group := p.NewGroup()
			f.submit(func(i int) { group.Submit(func() { results[i] = square(i) }) })
			if err := group.Wait(); err != nil {
				return err
			}
			return f.check(results)
		}),
		Close: p.StopAndWait,
	}, nil
}

func (f fan) pondResults() (*harness.Run, error) {
	p := pond.NewResultPool[int](workers)
	return &harness.Run{
		Do: harness.Every(func() error {
			group := p.NewGroup()
			f.submit(func(i int) { group.Submit(func() int { return square(i) }) })
			results, err := group.Wait()
			if err != nil {
				return err
			}
			return f.check(results)
		}),
		Close: p.StopAndWait,
	}, nil
}

func (f fan) conc() (*harness.Run, error) {
	return &harness.Run{Do: harness.Every(func() error {
		p := pool.NewWithResults[int]().WithMaxGoroutines(workers)
		f.submit(func(i int) { p.Go(func() int { return square(i) }) })
		return f.check(p.Wait())
	})}, nil
}

func (f fan) errgroup() (*harness.Run, error) {
	results := make([]int, f.total())
	return &harness.Run{Do: harness.Every(func() error {
		clear(results)
		var group errgroup.Group
		group.SetLimit(workers)
		f.submit(func(i int) {
			group.Go(func() error {
				results[i] = square(i)
				return nil
			})
		})
		if err := group.Wait(); err != nil {
			return err
		}
		return f.check(results)
	})}, nil
}

func (f fan) ants() (*harness.Run, error) {
	p, err := ants.NewPool(workers)
	if err != nil {
		return nil, err
	}
	return f.waited(p.Submit, p.Release), nil
}

func (f fan) gopool() (*harness.Run, error) {
	p := gopool.NewPool("bench", workers, gopool.NewConfig())
	return f.waited(func(task func()) error {
		p.Go(task)
		return nil
	}, nil), nil
}

func (f fan) gammazero() (*harness.Run, error) {
	p := workerpool.New(workers)
	return f.waited(func(task func()) error {
		p.Submit(task)
		return nil
	}, p.StopWait), nil
}

func (f fan) plain() (*harness.Run, error) {
	tasks := make(chan func(), 128)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	return f.waited(func(task func()) error {
		tasks <- task
		return nil
	}, func() {
		close(tasks)
		wg.Wait()
	}), nil
}
