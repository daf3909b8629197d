"""A server over HTTP that is not the bottleneck: `python -m bench.stubs.quick TOOLS ERA` prints its URL.

One loop over epoll and no parsing of what is called often: half of what asyncio's protocols take, and a third less than
uvloop's. It says nothing of itself, so no stream to hear it is offered.
"""

import json
import re
import select
import socket
import sys
from collections import deque
from contextlib import suppress

from bench.stubs.answers import PROGRESS, Answers, key_of, name_of

__all__ = ["serve"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOKEN = re.compile(rb'"progressToken": *("[^"]*"|\d+)')
_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_NONE = b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n"
_RESULT = b'{"jsonrpc":"2.0","id":%b,"result":%b}'
_STEP = (
    b'{"jsonrpc":"2.0","method":"notifications/progress",'
    b'"params":{"progressToken":%b,"progress":%d,"total":%d,"message":"so far"}}'
)
_END = b"0\r\n\r\n"


class Wire:
    """One connection. What does not fit into the socket waits here."""

    def __init__(self, sock: socket.socket, answers: Answers, poll: select.epoll) -> None:
        self.sock = sock
        self.answers = answers
        self.poll = poll
        self.received = b""
        self.waiting: deque[memoryview] = deque()

    def ready(self, events: int) -> bool:
        """Read and write what can be. False at the end."""
        try:
            if events & select.EPOLLOUT and self.waiting:
                self._flush()
            if events & ~select.EPOLLOUT:
                data = self.sock.recv(262_144)
                if not data:
                    return False
                self._take(self.received + data if self.received else data)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _take(self, data: bytes) -> None:
        while (end := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(data) < stop:
                break
            self._answer(data[:end], data[end + 4 : stop])
            data = data[stop:]
        self.received = data

    def _answer(self, head: bytes, body: bytes) -> None:
        if b'"tools/call"' in body:
            name = name_of(body)
            if name.startswith(b"tool-"):
                self._send_json(_RESULT % (key_of(body), self.answers.call))
                return
            if name == b"ten-mb":
                self._send_json(_RESULT % (key_of(body), self.answers.large))
                return
            if name in {b"sse", b"progress"}:
                self._stream(body, PROGRESS if name == b"progress" else 0)
                return
        if not body:
            self._send(_NONE % (b"200 OK" if head.startswith(b"DELETE") else b"405 Method Not Allowed"))
            return
        message = json.loads(body)
        if "id" in message and "method" in message:
            self._send_json(self.answers.slowly(message))
        else:
            self._send(_NONE % b"202 Accepted")

    def _stream(self, body: bytes, steps: int) -> None:
        """Each event is a chunk and a write of its own, as a server makes them that has them one after the other."""
        token = _TOKEN.search(body)
        self._send(_STREAM)
        for step in range(steps if token else 0):
            assert token is not None
            self._send(_chunk(_STEP % (token[1], step + 1, steps)))
        self._send(_chunk(_RESULT % (key_of(body), self.answers.call)))
        self._send(_END)

    def _send_json(self, body: bytes) -> None:
        self._send(_JSON % len(body) + body)

    def _send(self, data: bytes) -> None:
        if self.waiting:
            self.waiting.append(memoryview(data))
            return
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.waiting.append(memoryview(data)[sent:])
            self.poll.modify(self.sock, select.EPOLLIN | select.EPOLLOUT)

    def _flush(self) -> None:
        while self.waiting:
            first = self.waiting[0]
            sent = self.sock.send(first)
            if sent < len(first):
                self.waiting[0] = first[sent:]
                return
            self.waiting.popleft()
        self.poll.modify(self.sock, select.EPOLLIN)


def _chunk(data: bytes) -> bytes:
    event = b"event: message\ndata: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(event), event)


def serve(answers: Answers) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    listener.setblocking(False)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    with suppress(OSError):  # a file, or /dev/null: who started this by hand ends it by hand
        poll.register(0, select.EPOLLHUP)
    wires: dict[int, Wire] = {}
    while True:
        for number, events in poll.poll():
            wire = wires.get(number)
            if number == 0:
                return  # whoever started this is gone
            if wire is None:
                _accept(listener, poll, wires, answers)
            elif not wire.ready(events):
                del wires[number]
                wire.sock.close()


def _accept(listener: socket.socket, poll: select.epoll, wires: dict[int, Wire], answers: Answers) -> None:
    try:
        sock, _ = listener.accept()
    except OSError:
        return
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wires[sock.fileno()] = Wire(sock, answers, poll)
    poll.register(sock, select.EPOLLIN)


if __name__ == "__main__":
    serve(Answers(int(sys.argv[1]), sys.argv[2]))
