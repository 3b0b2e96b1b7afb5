package hop

import (
	"context"
	"testing"
	"time"
)

func TestSmoke(t *testing.T) {
	l := NewLoop(&LoopOptions{Thread: true})
	ctx := context.Background()
	v, err := Do(ctx, l, func(ctx context.Context) (int, error) {
		p := Go(ctx, l, func(ctx context.Context) (int, error) { Sleep(ctx, time.Millisecond); return 41, nil })
		v, err := p.Wait(ctx)
		return v + 1, err
	})
	if v != 42 || err != nil {
		t.Fatal(v, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := NewPool(&PoolOptions{Size: 1})
	var f func(n int) func(ctx context.Context) (int, error)
	f = func(n int) func(ctx context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			if n == 0 {
				return 0, nil
			}
			v, err := Do(ctx, p, f(n-1))
			return v + 1, err
		}
	}
	v, err = Do(ctx, p, f(100))
	if v != 100 || err != nil {
		t.Fatal(v, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
func BenchmarkPost(b *testing.B) {
	l := NewLoop(nil)
	defer l.Close()
	b.ReportAllocs()
	f := func() {}
	for b.Loop() {
		l.Post(f)
	}
	Run(context.Background(), l, func(context.Context) error { return nil })
}
func BenchmarkGoWaitInside(b *testing.B) {
	l := NewLoop(nil)
	defer l.Close()
	b.ReportAllocs()
	Run(context.Background(), l, func(ctx context.Context) error {
		for b.Loop() {
			Go(ctx, l, func(context.Context) (int, error) { return 1, nil }).Wait(ctx)
		}
		return nil
	})
}
func BenchmarkDo(b *testing.B) {
	l := NewLoop(nil)
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		Do(context.Background(), l, func(context.Context) (int, error) { return 1, nil })
	}
}
func BenchmarkDoThread(b *testing.B) {
	l := NewLoop(&LoopOptions{Thread: true})
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		Do(context.Background(), l, func(context.Context) (int, error) { return 1, nil })
	}
}
func BenchmarkPool8(b *testing.B) {
	p := NewPool(&PoolOptions{Size: 8})
	defer p.Close()
	b.ReportAllocs()
	ps := make([]*Pending[int], 1000)
	for b.Loop() {
		for i := range ps {
			ps[i] = Go(context.Background(), p, func(context.Context) (int, error) { return 1, nil })
		}
		for _, q := range ps {
			q.Wait(context.Background())
		}
	}
}
