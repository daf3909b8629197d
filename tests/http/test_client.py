"""Connections to servers that answer, stall, stream, break off and say what is not HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from toolgate.http.client import BrokenOffError, Connection, NotHttpError, Response
from toolgate.http.pool import ConnectTimeoutError, Line, Pool, Target

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answering) -> AsyncIterator[Line]:
    """A line to a server that handles each request as it is told, until it closes."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=512)
    async with Pool() as pool:
        yield pool.to(Target("127.0.0.1", listening.sockets[0].getsockname()[1]))
    listening.close()
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def asked(line: Line, limit: int = 1_000) -> Response:
    connection = await line.connection()
    async with asyncio.timeout(10):
        return await connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", None, limit, 100)


async def say(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.005)  # so that the pieces arrive as such


async def test_an_answer_in_any_pieces_is_one_answer() -> None:
    data = OK % (7, b'{"a":1}')
    cuts = iter(range(1, len(data), 9))

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = next(cuts)
        await say(writer, data[:cut], data[cut:])

    async with serving(answer) as line:
        for _ in range(1, len(data), 9):
            response = await asked(line)
            assert (response.status, response.media_type, response.body) == (200, "application/json", b'{"a":1}')


async def test_a_head_that_comes_again_is_not_parsed_again() -> None:
    sizes = iter(range(1, 6))

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"9" * next(sizes)
        writer.write(OK % (len(body), body))

    async with serving(answer) as line:
        responses = [await asked(line, limit=4) for _ in range(5)]
    assert [response.body for response in responses] == [b"9", b"99", b"999", b"9999", None], "the last is too large"
    assert responses[1].headers is responses[3].headers


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
        b"HTTP/1.1 200",
        b"",
    ],
)
async def test_one_that_breaks_off_says_so(said: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, said)
        writer.close()

    async with serving(answer) as line:
        with pytest.raises(BrokenOffError):
            await asked(line)


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_what_is_not_http_says_so(said: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, said)

    async with serving(answer) as line:
        with pytest.raises(NotHttpError):
            await asked(line)


async def test_a_head_without_end_is_not_http() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"x" * 30_000 + b"\r\n"] * 8)

    async with serving(answer) as line:
        with pytest.raises(NotHttpError):
            await asked(line)


async def test_the_end_of_the_connection_is_the_end_of_a_body_without_length() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"all ", b"of it")
        writer.close()

    async with serving(answer) as line:
        assert (await asked(line)).body == b"all of it"


async def test_interim_answers_are_passed_over() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK % (1, b"1"))

    async with serving(answer) as line:
        response = await asked(line)
    assert (response.body, b"link" in response.headers) == (b"1", False)


async def test_what_nobody_asked_for_closes_the_connection() -> None:
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await say(writer, OK % (1, b"1"), OK % (1, b"2"))
        await reader.read()
        closed.set()
        writer.close()

    async with serving(answer) as line:
        assert (await asked(line)).body == b"1"
        await asyncio.wait_for(closed.wait(), 5)


async def test_streams_do_not_take_the_place_of_requests() -> None:
    """Hundreds of servers may live at one address, each with a stream that is never silent for good."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.Event().wait()

    async with serving(answer) as line:
        async with asyncio.timeout(30):
            streams = await asyncio.gather(*(asked(line) for _ in range(300)))
        assert all(stream.is_stream for stream in streams)
        for stream in streams:
            stream.close()


async def test_a_stream_that_nobody_reads_is_not_read_for_ever() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            writer.write(b"data: " + b"x" * 65_536 + b"\n\n")
            await writer.drain()

    async with serving(answer) as line:
        stream = await asked(line)
        size = 0
        for _ in range(50):
            await asyncio.sleep(0)
        size = len(await stream.chunk())
        assert 0 < size < 4 * 1024 * 1024
        stream.close()


async def test_a_connection_that_was_lost_meanwhile_answers_nothing() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(answer) as line:
        connection = await line.connection()
        connection.connection_lost(None)
        with pytest.raises(BrokenOffError):
            await connection.send(b"GET / HTTP/1.1\r\n\r\n", None, 1, 1)
        connection.abort()


async def test_nobody_waits_for_a_connection_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolgate.http.pool._MOST", 2)
    order: list[int] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(OK % (1, b"1"))

    async def ask(line: Line, number: int) -> None:
        await asked(line)
        order.append(number)

    async with serving(answer) as line:
        given_up = asyncio.create_task(ask(line, 99))
        waiting = [asyncio.create_task(ask(line, number)) for number in range(8)]
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(*waiting)
    assert sorted(order) == list(range(8))


async def test_a_server_that_does_not_take_the_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolgate.http.pool.CONNECT", 0.01)

    async def never(*_: object, **__: object) -> tuple[object, Connection]:
        await asyncio.Event().wait()
        raise AssertionError

    async with Pool() as pool:
        line = pool.to(Target("127.0.0.1", 9))
        monkeypatch.setattr(line, "_reach", never)
        with pytest.raises(ConnectTimeoutError):
            await line.connection()
