"""Servers that answer with what no good server says: each call ends with a reply or our error, and nothing is left."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import Any, Final

import pytest
from msgspec.structs import replace
from yarl import URL

from tests.fuzz.budget import Turn, turns
from tests.fuzz.dice import battered, bent, chopped, written
from tests.fuzz.watch import ANSWERS_WITHIN, Watch, watching
from tests.upstream.conftest import make_call
from toolgate.errors import ToolgateError
from toolgate.http.pool import Pool
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.endpoint import Endpoint
from toolgate.upstream.era import Hello
from toolgate.upstream.http import HttpLink
from toolgate.upstream.probe import Contact
from toolgate.upstream.relay import NoNews
from toolgate.upstream.resolved import Address
from toolgate.upstream.stdio import StdioLink

_LIMIT: Final = 250_000  # bytes of one answer: deep nesting fits
_DEADLINE: Final = 0.1  # seconds of a call that is never answered
_KEY: Final = 1
_SAID: Final[tuple[Any, ...]] = (
    {"jsonrpc": "2.0", "id": _KEY, "result": {"content": [], "resultType": "complete"}},
    {"jsonrpc": "2.0", "id": _KEY, "error": {"code": -32602, "message": "no", "data": {"uri": "x"}}},
    {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "what"}},
    {"jsonrpc": "2.0", "id": 99, "result": {}},
    {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": _KEY, "progress": 0.5}},
    {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": [1]}},
    {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"},
    {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "t://a"}},
    {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {"notifications": {}}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q"}},
    {"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}},
    {"jsonrpc": "2.0", "id": "r", "method": "roots/list"},
    {"jsonrpc": "2.0", "id": "p", "method": "ping"},
    [{"jsonrpc": "2.0", "method": "notifications/message"}, {"jsonrpc": "2.0", "id": _KEY, "result": {}}],
)


def said(rng: Random) -> bytes:
    """One message of a server, mostly a bad one."""
    message = rng.choice(_SAID)
    data = written(bent(message, rng) if rng.random() < 0.8 else message)
    return battered(data, rng) if rng.random() < 0.3 else data


class _Client:
    """A `pipeline.call.Channel` that takes so many messages, which must all be JSON, and declines what it is asked."""

    def __init__(self, room: int) -> None:
        self._room = room

    def send(self, message: bytes) -> bool:
        json.loads(message.decode(), parse_int=len)  # a number may be longer than Python converts
        self._room -= 1
        return self._room >= 0

    async def ask(self, method: str, params: bytes | None) -> Reply:
        json.loads((params or b"{}").decode(), parse_int=len)
        return Reply(b'{"action":"decline"}')


def call(rng: Random) -> Call:
    declared = b'{"elicitation":{},"roots":{}}'
    meta = {"progressToken": "mine"}
    era = rng.choice((Era.MODERN, Era.LEGACY))
    made = make_call("odd", "echo", meta=meta, era=era, timeout=_DEADLINE, capabilities=declared)
    return replace(made, channel=_Client(rng.choice((1, 1_000))))


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    async with watching() as watching_it:
        yield watching_it


class _Process:
    """A `runtime.base.Running` that takes everything."""

    pid = 0

    @property
    def reads(self) -> bool:
        return True

    async def ready(self) -> None:
        """Always."""

    def write(self, line: bytes) -> None:
        """And forgets it."""

    def post(self, line: bytes) -> bool:
        return True

    def last_words(self) -> str:
        return ""

    async def stop(self, grace: float) -> None:
        """It never ran."""


@turns("stdio")
async def test_odd_lines_end_no_link(watch: Watch, turn: Turn) -> None:
    for rng in turn.dice():
        link = StdioLink("odd", _LIMIT, str, NoNews())
        link.attach(_Process())
        link.greet(Hello(rng.choice((Era.MODERN, Era.LEGACY)), "2025-11-25", link.catalogue_head))
        calling = asyncio.create_task(link.send(call(rng)))
        await asyncio.sleep(0)
        for _ in range(rng.randrange(1, 8)):
            line = said(rng).replace(b"\n", b" ")
            try:
                link.line(line)
            except Exception as error:
                raise AssertionError(f"{turn}: {line[:2_000]!r}") from error
        link.line(b'{"jsonrpc":"2.0","id":%d,"result":{"after":"all"}}' % rng.choice((1, 2)))
        link.ended("exited")
        await _ends(calling, turn)
        await link.close(1)
        watch.after(turn)


async def _ends(calling: "asyncio.Task[Any]", made: object) -> None:
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            with suppress(ToolgateError):
                await calling
    except Exception as error:
        raise AssertionError(f"{made}") from error


class _Odd:
    """A server on a raw socket that answers each request with the bytes that it is given next."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.port = 0
        self.connections: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        current = asyncio.current_task()
        assert current is not None
        self.connections.add(current)
        current.add_done_callback(self.connections.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            await reader.readexactly(int(length.partition(b":")[2]))
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def odd(watch: Watch) -> AsyncIterator[_Odd]:
    server = _Odd()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, limit=1 << 20)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.gather(*server.connections)
        await listening.wait_closed()


@turns("endpoint")
async def test_odd_answers_over_http_end_each_call(odd: _Odd, watch: Watch, turn: Turn) -> None:
    url = URL(f"http://127.0.0.1:{odd.port}/mcp")
    async with Pool() as connections:
        for rng in turn.dice():
            odd.pieces = chopped(_answer(rng), rng)
            era = rng.choice((Era.MODERN, Era.LEGACY))
            endpoint = Endpoint("odd", Address(url, str(url.origin()), {}), connections, str, _LIMIT)
            contact = Contact(Hello(era, "2025-11-25", StdioLink("odd", 1, str, NoNews()).catalogue_head), "session")
            link = HttpLink(endpoint, contact, NoNews())
            await _ends(asyncio.create_task(link.send(call(rng))), (str(turn), b"".join(odd.pieces)[:2_000]))
            await link.close(0)
            watch.after((str(turn), b"".join(odd.pieces)[:2_000]))


def _answer(rng: Random) -> bytes:
    messages = [said(rng) for _ in range(rng.randrange(1, 5))]
    if rng.random() < 0.5:
        body, media = messages[0], b"application/json"
    else:
        events = (b"id: %d\nretry: 0\ndata: " % n + line.replace(b"\n", b"\ndata: ") for n, line in enumerate(messages))
        body, media = b"".join(event + b"\n\n" for event in events), b"text/event-stream"
        body = battered(body, rng) if rng.random() < 0.3 else body
    status = rng.choice((b"200 OK",) * 6 + (b"202 Accepted", b"400 Bad", b"404 No", b"401 Who", b"500 Oh", b"302 Go"))
    framing = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    if rng.random() < 0.4:
        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    whole = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + media + b"\r\nLocation: /x\r\n" + framing
    return battered(whole, rng) if rng.random() < 0.3 else whole
