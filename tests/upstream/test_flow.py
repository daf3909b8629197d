"""Results so large that nobody has to see them as a whole: they come as they are sent."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from tests.upstream.conftest import make_call
from toolgate.errors import BrokenReply, ResponseTooLarge
from toolgate.http.client import BrokenOffError
from toolgate.http.pool import Pool
from toolgate.model.tool import Catalogue
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.endpoint import Endpoint
from toolgate.upstream.era import Hello
from toolgate.upstream.http import HttpLink
from toolgate.upstream.probe import Contact
from toolgate.upstream.relay import NoNews
from toolgate.upstream.resolved import Address

LARGE = 1_000_000
LIMIT = 4_000_000
Answering = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def result(size: int) -> bytes:
    return b'{"resultType":"complete","content":[{"type":"text","text":"' + b"x" * size + b'"}]}'


def head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length


def call(*, flows: bool = True, era: Era = Era.MODERN) -> Call:
    return make_call("large", "get", era=era, meta={}, timeout=10).with_(flows=flows)


@asynccontextmanager
async def linked(answer: Answering, era: Era = Era.MODERN) -> AsyncIterator[HttpLink]:
    """A link to a server that answers each request as it is told; `answer` gets the id of the request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(lines.split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                await answer(body.split(b'"id":')[1].split(b",")[0], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp")
    version = "2026-07-28" if era is Era.MODERN else "2025-11-25"
    async with Pool() as connections:
        endpoint = Endpoint("large", Address(url, str(url.origin()), {}), connections, str, LIMIT)
        link = HttpLink(endpoint, Contact(Hello(era, version, Catalogue({}))), NoNews())
        yield link
        await link.close(0)
    listening.close()
    await asyncio.sleep(0)


def saying(before: bytes, after: bytes = b"}", size: int = LARGE) -> Answering:
    async def answer(key: bytes, writer: asyncio.StreamWriter) -> None:
        body = before.replace(b"KEY", key) + result(size) + after.replace(b"KEY", key)
        writer.write(head(len(body)) + body)
        await writer.drain()

    return answer


async def poured(reply: Reply) -> bytes:
    assert reply.flow is not None
    chunks = []
    while chunk := await reply.flow.chunk():
        chunks.append(chunk)
    assert sum(map(len, chunks)) == reply.flow.length
    return b"".join(chunks)


@pytest.mark.parametrize(
    "before", [b'{"jsonrpc":"2.0","id":KEY,"result":', b' { "jsonrpc" : "2.0", "id": KEY ,\n"result": ']
)
async def test_a_large_result_comes_as_it_is_sent(before: bytes) -> None:
    async with linked(saying(before)) as link:
        assert await poured(await link.send(call())) == result(LARGE) + b"}"
        assert await poured(await link.send(call())) == result(LARGE) + b"}", "on the same connection"


async def test_a_result_that_does_not_come_last_is_read_whole() -> None:
    async with linked(saying(b'{"result":', b',"jsonrpc":"2.0","id":KEY}')) as link:
        assert (await link.send(call())).payload == result(LARGE)


@pytest.mark.parametrize("size", [10, 100_000])
async def test_what_is_not_large_is_read_whole(size: int) -> None:
    async with linked(saying(b'{"jsonrpc":"2.0","id":KEY,"result":', size=size)) as link:
        assert (await link.send(call())).payload == result(size)


async def test_it_is_read_whole_where_somebody_has_to_see_it() -> None:
    async with linked(saying(b'{"jsonrpc":"2.0","id":KEY,"result":')) as link:
        assert (await link.send(call(flows=False))).payload == result(LARGE)
        assert (await link.send(call(era=Era.LEGACY))).payload == result(LARGE), "which crosses eras"


async def test_an_answer_to_another_request_is_none() -> None:
    async with linked(saying(b'{"jsonrpc":"2.0","id":99,"result":')) as link:
        with pytest.raises(BrokenReply):
            await link.send(call())


async def test_one_that_is_too_large_is_refused_by_its_head() -> None:
    async with linked(saying(b'{"jsonrpc":"2.0","id":KEY,"result":', size=LIMIT)) as link:
        with pytest.raises(ResponseTooLarge):
            await link.send(call())


async def test_one_that_breaks_off_says_so() -> None:
    async def half(key: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head(LARGE) + b'{"jsonrpc":"2.0","id":%b,"result":"' % key + b"x" * (LARGE // 2))
        await writer.drain()
        writer.close()

    async with linked(half) as link:
        reply = await link.send(call())
        with pytest.raises(BrokenOffError):
            await poured(reply)


async def test_one_that_nobody_wants_any_more_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def endless(key: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head(LIMIT) + b'{"jsonrpc":"2.0","id":%b,"result":"' % key)
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            closed.set()

    async with linked(endless) as link:
        reply = await link.send(call())
        assert reply.flow is not None
        reply.flow.close()
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_stream_that_goes_on_as_no_http_after_its_answer_is_left() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def answer(key: bytes, writer: asyncio.StreamWriter) -> None:
        event = b'data: {"jsonrpc":"2.0","id":%b,"result":{"resultType":"complete"}}\n\n' % key
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"no chunk\r\n")
        await writer.drain()

    async with linked(answer) as link:
        assert (await link.send(call())).payload == b'{"resultType":"complete"}'
        await asyncio.sleep(0.05)
    gc.collect()
    assert not complaints
