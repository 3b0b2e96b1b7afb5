#!/usr/bin/python3
"""Subscribes to what iopub publishes, prints a line of JSON for each message, and hangs up when a loop says "end".

Iopub's first line, the addresses of its sockets, comes on standard input.
"""

import json
import signal
import sys

try:
    import zmq
except ImportError:
    sys.exit("sub.py: no module zmq: apt-get install python3-zmq, and run it with /usr/bin/python3")

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a shell is for both; this one sees the other to its end

addresses = json.loads(sys.stdin.readline())
context = zmq.Context()
poller = zmq.Poller()
sockets = {}
for address in addresses:
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)  # no limit: drop nothing
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(address)
    poller.register(socket, zmq.POLLIN)
    sockets[socket] = 0

while sockets:
    ready = poller.poll(60_000)
    if not ready:
        sys.exit("sub.py: nothing for a minute")
    for socket, _ in ready:
        topic, body = socket.recv_multipart()
        message = json.loads(body)
        sockets[socket] += 1
        if topic.decode() != message["loop"] or message["seq"] != sockets[socket]:
            sys.exit(f"sub.py: lost or out of order: {message}, want {sockets[socket]}")
        print(json.dumps(message), flush=True)
        if message["kind"] == "end":
            poller.unregister(socket)
            socket.close()
            del sockets[socket]
