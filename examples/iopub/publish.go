package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/gohop/hop"
)

// A message is what the subscriber gets: a frame with the topic, which is the loop's name, and one with this, in JSON.
type message struct {
	Loop string `json:"loop"`
	Seq  int    `json:"seq"`            // from 1, without gaps, for each loop
	Kind string `json:"kind"`           // stream, status, end
	Cell string `json:"cell,omitempty"` // the cell that it is the output of
	Call uint64 `json:"call,omitempty"` // the hop.Call that wrote it
	Text string `json:"text,omitempty"`
}

// A publisher is the PUB socket of one loop. Only tasks of that loop use it: a ZeroMQ socket belongs to one thread, and the
// numbers of the messages need no lock.
type publisher struct {
	socket zmq4.Socket
	loop   *hop.Loop
	seq    int
}

// publishers has a publisher for each loop, opened by the first task there that asks, on the loop, and closed there when
// the loop stops.
var publishers = hop.NewLocal(listen, func(p *publisher) error { return p.socket.Close() })

// lingering is how long a loop that stops waits for its subscribers to take the rest.
const lingering = 5 * time.Second

func listen(ctx context.Context) (*publisher, error) {
	// Not with ctx: the socket outlives the call that asks first.
	socket := zmq4.NewPub(context.Background(), zmq4.WithLogger(log.New(io.Discard, "", 0)))
	if err := socket.Listen("tcp://127.0.0.1:0"); err != nil {
		return nil, err
	}
	p := &publisher{socket: socket, loop: hop.CurrentLoop()}
	// Closing a socket loses what it has not sent yet. So before: say that this is the end, and wait until all have
	// hung up, as each does who has seen the end.
	p.loop.OnShutdown(func(ctx context.Context) error {
		if err := p.send(message{Kind: "end"}); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, lingering)
		defer cancel()
		return p.until(ctx, func(subscribers int) bool { return subscribers == 0 })
	})
	return p, nil
}

// until waits until there are subscribers, or none.
func (p *publisher) until(ctx context.Context, ok func(subscribers int) bool) error {
	for {
		topics, _ := p.socket.(zmq4.Topics)
		if ok(len(topics.Topics())) {
			return nil
		}
		if err := hop.Sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("the subscribers of %v: %w", p.loop, err)
		}
	}
}

// send sends m. It does not wait, so whatever the other tasks do, messages go out in the order of their numbers.
func (p *publisher) send(m message) error {
	p.seq++
	m.Loop, m.Seq = p.loop.Name(), p.seq
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return p.socket.SendMulti(zmq4.NewMsgFrom([]byte(m.Loop), b))
}

// A cell is a piece of work whose output goes to the subscribers. Its context carries it: to all calls that it makes, wherever they run.
type cell struct {
	id   string
	loop *hop.Loop
}

type cellKey struct{}

var errNoCell = errors.New("output of no cell: the context is not a cell's")

// printf publishes output of the cell that ctx belongs to, from anywhere: a task of the cell's loop, a worker of a pool, a
// task of another loop. When it returns nil, the message has its number, and all that is printed later comes later.
func printf(ctx context.Context, format string, args ...any) error {
	return publish(ctx, "stream", fmt.Sprintf(format, args...))
}

func publish(ctx context.Context, kind, text string) error {
	c, ok := ctx.Value(cellKey{}).(cell)
	if !ok {
		return errNoCell
	}
	var call uint64
	if c := hop.CurrentCall(ctx); c != nil {
		call = c.ID()
	}
	// On the cell's own loop that runs inline.
	return hop.Run(ctx, c.loop, func(ctx context.Context) error {
		p, err := publishers.Get(ctx)
		if err != nil {
			return err
		}
		return p.send(message{Kind: kind, Cell: c.id, Call: call, Text: text})
	}, hop.Name("publish"))
}

// execute has f run as a cell on loop, and publishes how it goes.
func execute(ctx context.Context, loop *hop.Loop, id string, f func(context.Context) error) *hop.Pending[struct{}] {
	ctx = context.WithValue(ctx, cellKey{}, cell{id, loop})
	return hop.Go(ctx, loop, func(ctx context.Context) (struct{}, error) {
		if err := publish(ctx, "status", "busy"); err != nil {
			return struct{}{}, err
		}
		err := f(ctx)
		how := "done"
		switch {
		case ctx.Err() != nil:
			how = "cancelled"
		case err != nil:
			how = "failed: " + err.Error()
		}
		// Also when ctx has ended: that the cell was cancelled is the one thing that nobody else can say.
		return struct{}{}, errors.Join(err, publish(hop.Detach(ctx), "status", how))
	}, hop.Name(id))
}
