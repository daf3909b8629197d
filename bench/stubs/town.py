"""Many servers in one process: `python -m bench.stubs.town PORT TOOLS [HOSTS]` prints the URL of the first.

It listens on 127.0.0.1, and on so many addresses more (see `address`). `/NAME/mcp` is a server, whatever NAME is; it
speaks both eras' requests, and keeps listen streams (modern) open. `POST /NAME/change` gives it one tool more, and
tells those who listen. `slow` answers half a second later.
"""

import asyncio
import json
import re
import sys
from typing import Any, cast

import uvloop

from bench.stubs.answers import Answers, described, key_of, name_of, text_of

__all__ = ["address", "serve"]

PAUSE = 0.5  # seconds
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_NONE = b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n"
_RESULT = b'{"jsonrpc":"2.0","id":%b,"result":%b}'


class Server:
    """One of the town."""

    def __init__(self, tools: int) -> None:
        self.answers = Answers(tools, "both", changes=True)
        self.listeners: dict[Wire, Any] = {}

    def change(self) -> None:
        self.answers.tools.append(described(f"tool-{len(self.answers.tools)}-new"))
        for wire, key in self.listeners.items():
            wire.event({"method": "notifications/tools/list_changed", "params": _tagged(key)})


class Town:
    def __init__(self, tools: int) -> None:
        self._tools = tools
        self._servers: dict[bytes, Server] = {}

    def __getitem__(self, name: bytes) -> Server:
        if name not in self._servers:
            self._servers[name] = Server(self._tools)
        return self._servers[name]


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.received = b""
        self.heard: Server | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)  # uvloop's are not subclasses of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        if self.heard is not None:
            self.heard.listeners.pop(self, None)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.received, 0, end)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self.received) < stop:
                return
            head, body = self.received[:end], self.received[end + 4 : stop]
            self.received = self.received[stop:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        verb, path, _ = head.split(b" ", 2)
        _, name, what = path.split(b"/", 2)
        server = self.town[name]
        if what == b"change":
            server.change()
            self.transport.write(_JSON % (2, b"{}"))
        elif verb != b"POST":
            self.transport.write(_NONE % (b"200 OK" if verb == b"DELETE" else b"405 Method Not Allowed"))
        elif b'"tools/call"' in body and (result := _quickly(server.answers, body)):
            self._reply(_RESULT % (key_of(body), result))
        else:
            self._rarely(server, json.loads(body))

    def _rarely(self, server: Server, message: dict[str, Any]) -> None:
        if "id" not in message or "method" not in message:
            self.transport.write(_NONE % b"202 Accepted")
        elif message["method"] == "subscriptions/listen":
            self._listen(server, message)
        elif message["method"] == "tools/call" and message["params"]["name"] == "slow":
            asyncio.get_running_loop().call_later(PAUSE, self._reply, server.answers.slowly(message))
        else:
            self._reply(server.answers.slowly(message))

    def _reply(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(_JSON % (len(body), body))

    def _listen(self, server: Server, message: dict[str, Any]) -> None:
        self.heard, server.listeners[self] = server, message["id"]
        self.transport.write(_STREAM)
        granted = {**_tagged(message["id"]), "notifications": message["params"]["notifications"]}
        self.event({"method": "notifications/subscriptions/acknowledged", "params": granted})

    def event(self, message: dict[str, Any]) -> None:
        data = b"data: %b\n\n" % json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))


def _quickly(answers: Answers, body: bytes) -> bytes:
    """The result of what is called often; empty for all else."""
    name = name_of(body)
    if name.startswith(b"tool-"):
        return answers.call
    return answers.echo % text_of(body) if name == b"echo" else b""


def _tagged(key: Any) -> dict[str, Any]:
    return {"_meta": {"io.modelcontextprotocol/subscriptionId": key}}


def address(number: int) -> str:
    """Another one for each number below 16,384, so that a thousand servers can be a thousand hosts."""
    return f"127.64.{number >> 8}.{number & 255}"


async def serve(port: int, tools: int, hosts: int) -> None:
    town = Town(tools)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(town), "127.0.0.1", port, backlog=4_096)
    port = server.sockets[0].getsockname()[1]
    for number in range(hosts):
        await loop.create_server(lambda: Wire(town), address(number), port)
    print(f"http://127.0.0.1:{port}/0/mcp", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
