"""The gateway as a stdio server: every line goes to a gateway's HTTP endpoint, every answer comes back as a line.

So clients that only speak stdio take the same road as all others. Both eras: a legacy client's `initialize` opens a
session and its GET stream, a modern client's `notifications/cancelled` closes the request's response stream
(2026-07-28, stdio, Cancellation; Streamable HTTP, Cancellation).
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from itertools import count
from typing import Final, Protocol

import aiohttp
import msgspec
from msgspec import UNSET, Raw

from toolgate.errors import ServerUnavailable, ToolgateError
from toolgate.inbound.batches import is_batch
from toolgate.inbound.mirrored_tools import MirroredTools, Page
from toolgate.inbound.modern import is_modern, read_envelope
from toolgate.protocol.envelope import NOTHING, Message, dump, error_object, failure, fields, parse, request
from toolgate.protocol.eras import NAME_KEYS
from toolgate.protocol.headers import encode_value
from toolgate.protocol.results import error_code
from toolgate.protocol.sse import Decoder

__all__ = ["LINE_LIMIT", "Lines", "Relay"]

log = logging.getLogger("toolgate.stdio")

LINE_LIMIT: Final = 64 * 1024 * 1024  # bytes; the gateway behind has its own, smaller limits
_LAST_WORDS: Final = 5.0  # seconds that requests under way get when the client closes its end
_PAGES: Final = 100
_HEADER_MISMATCH: Final = -32020
_RECONNECT: Final = 1.0  # seconds before a GET stream that ended is opened again
_BATCH: Final = Message(jsonrpc="2.0", id=Raw(b"null"), method="")  # stands for all messages of one


class Lines(Protocol):
    """The client's two pipes."""

    async def read(self) -> bytes:
        """The next line, or nothing at the end."""
        ...

    async def write(self, line: bytes) -> None: ...


class Relay:
    """One stdio client in front of one endpoint. `headers` authenticate it there."""

    def __init__(self, http: aiohttp.ClientSession, url: str, headers: dict[str, str], lines: Lines) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self._lines = lines
        self._session: dict[str, str] = {}
        self._initialize = b""
        self._tools = MirroredTools()
        self._reviving = asyncio.Lock()
        self._batches = count(1)
        self._in_flight: dict[bytes, asyncio.Task[None]] = {}
        self._stream: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client closes its end; then requests under way get a moment to finish."""
        try:
            while line := await self._lines.read():
                if line.strip():
                    await self._take(line.strip())
            if self._in_flight:
                await asyncio.wait(self._in_flight.values(), timeout=_LAST_WORDS)
        finally:
            await self._close()

    async def _take(self, line: bytes) -> None:
        if is_batch(line):
            self._start(b"batch %d" % next(self._batches), self._exchange(_BATCH, line))
            return
        try:
            message = parse(line)
        except ToolgateError as error:
            await self._lines.write(failure(None, error_object(error)))
            return
        if message.method == "initialize":
            # Alone, so that what the client sends next finds the session.
            self._initialize = line
            await self._exchange(message, line)
        elif message.key is not None and message.method is not UNSET:
            self._start(message.key, self._exchange(message, line))
        elif self._session:
            await self._exchange(message, line)
            if message.method == "notifications/initialized" and self._stream is None:
                self._stream = asyncio.create_task(self._listen())
        elif message.method == "notifications/cancelled":
            self._cancel(message)

    def _start(self, key: bytes, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._in_flight[key] = task
        task.add_done_callback(lambda _: self._in_flight.pop(key, None))

    def _cancel(self, message: Message) -> None:
        key = fields(message.params).get("requestId")
        task = self._in_flight.get(bytes(key)) if key is not None else None
        if task is not None:
            task.cancel()

    async def _exchange(self, message: Message, line: bytes) -> None:
        try:
            await self._post(message, line)
        except ToolgateError as error:
            await self._fail(message, error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = ServerUnavailable(f"the gateway at {self._url} does not answer: {error}", server="toolgate")
            await self._fail(message, reason)

    async def _fail(self, message: Message, error: ToolgateError) -> None:
        if message.key is not None and message.method is not UNSET:
            await self._lines.write(failure(message.key, error_object(error)))

    async def _post(self, message: Message, line: bytes, *, again: bool = True) -> None:
        session = self._session
        headers = self._request_headers(message)
        if message.method == "tools/call" and "Mcp-Name" in headers:
            headers |= self._tools.headers(fields(message.params))
        async with self._http.post(self._url, data=line, headers=headers, allow_redirects=False) as answer:
            if answer.status == 404 and headers.get("Mcp-Session-Id") and again:
                await answer.read()
                await self._revive(session)
            elif answer.status == 400 and again and await self._wants_headers(message, headers, answer):
                await self._learn_tools(message, headers)
            elif answer.content_type == "text/event-stream":
                await self._pass_stream(answer)
                return
            else:
                await self._pass_body(message, answer)
                return
        await self._post(message, line, again=False)

    def _request_headers(self, message: Message) -> dict[str, str]:
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        params = fields(message.params)
        meta = fields(params["_meta"], "_meta") if "_meta" in params else NOTHING
        if message.method is not UNSET and is_modern(message.method, meta):
            headers["MCP-Protocol-Version"] = read_envelope(meta).version
            headers["Mcp-Method"] = message.method
            name = params.get(NAME_KEYS[message.method]) if message.method in NAME_KEYS else None
            if name is not None and bytes(name)[:1] == b'"':  # of anything else the gateway says what is wrong
                headers["Mcp-Name"] = encode_value(msgspec.json.decode(name, type=str))
            return headers
        return headers | self._session if message.method != "initialize" else headers

    async def _pass_body(self, message: Message, answer: aiohttp.ClientResponse) -> None:
        body = await answer.read()
        if message.method == "initialize" and answer.status == 200:
            self._adopt(answer, body)
        if body and message.key is not None:
            await self._lines.write(_one_line(body))

    async def _pass_stream(self, answer: aiohttp.ClientResponse) -> None:
        decoder = Decoder(LINE_LIMIT)
        async for chunk in answer.content.iter_any():
            for event in decoder.feed(chunk):
                if event.data:  # 2025-11-25: a stream begins with an event that has an id only
                    await self._lines.write(_one_line(event.data))

    async def _wants_headers(self, message: Message, headers: dict[str, str], answer: aiohttp.ClientResponse) -> bool:
        """Whether a tool's arguments have to be mirrored, which a client over stdio does not do."""
        if message.method != "tools/call" or "Mcp-Method" not in headers:
            return False
        error = parse(await answer.read()).error
        return error is not UNSET and error_code(bytes(error)) == _HEADER_MISMATCH

    async def _learn_tools(self, message: Message, headers: dict[str, str]) -> None:
        meta = fields(message.params)["_meta"]
        listing = {**headers, "Mcp-Method": "tools/list"}
        cursor: str | None = None
        for _ in range(_PAGES):
            params = {"_meta": meta} if cursor is None else {"_meta": meta, "cursor": cursor}
            body = request(b"0", "tools/list", dump(params))
            async with self._http.post(self._url, data=body, headers=listing) as answer:
                result = parse(await answer.read()).result
            if result is UNSET:
                return
            page = msgspec.json.decode(result, type=Page)
            self._tools.learn(page)
            if (cursor := page.nextCursor) is None:
                return

    def _adopt(self, answer: aiohttp.ClientResponse, body: bytes) -> None:
        result = parse(body).result
        if result is UNSET or "Mcp-Session-Id" not in answer.headers:
            return
        version = msgspec.json.decode(fields(result, "a result")["protocolVersion"], type=str)
        self._session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "MCP-Protocol-Version": version}

    async def _revive(self, lost: dict[str, str]) -> None:
        """The gateway was restarted and does not know the session any more: open another, unseen by the client."""
        async with self._reviving:
            if self._session is not lost:
                return
            message = parse(self._initialize)
            headers = self._request_headers(message)
            async with self._http.post(self._url, data=self._initialize, headers=headers) as answer:
                self._adopt(answer, await answer.read())

    async def _listen(self) -> None:
        """The GET stream of a legacy session, opened again whenever it ends."""
        while True:
            session = self._session
            try:
                headers = {**self._headers, **session, "Accept": "text/event-stream"}
                async with self._http.get(self._url, headers=headers) as answer:
                    if answer.status == 404:
                        await self._revive(session)
                    elif answer.content_type == "text/event-stream":
                        await self._pass_stream(answer)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.debug("the stream of announcements broke: %s", error)
            await asyncio.sleep(_RECONNECT)

    async def _close(self) -> None:
        tasks = [task for task in (*self._in_flight.values(), self._stream) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self._http.delete(self._url, headers={**self._headers, **self._session}):
                    pass


def _one_line(body: bytes) -> bytes:
    """A message must not hold a line break (2026-07-28, stdio); a server's own may, as white space."""
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body
