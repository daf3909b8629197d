"""Calls that go without a task, with arguments bent on one side and answers bent on the other: each is answered, and
nothing of it stays."""

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz.budget import Turn, turns
from tests.fuzz.dice import battered, bent, chopped, written
from tests.fuzz.watch import ANSWERS_WITHIN
from tests.inbound.express import Answer, Client, House, opened
from tests.inbound.far import Heard

_SHORT: Final = 2.0  # seconds that a call may take: what is cut in the middle is waited for as long
_TOGETHER: Final = 16


def _message(call: Heard, rng: Random) -> bytes:
    message: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": int(call.key),
        "result": {"resultType": "complete", "content": [{"type": "text", "text": "x" * rng.choice((1, 300, 70_000))}]},
    }
    if rng.random() < 0.2:
        message = {"jsonrpc": "2.0", "id": int(call.key), "error": {"code": -1, "message": "no"}}
    data = written(bent(message, rng) if rng.random() < 0.5 else message)
    return battered(data, rng) if rng.random() < 0.3 else data


def _answer(call: Heard, rng: Random) -> bytes:
    """The bytes of a response, which mostly is one."""
    body = _message(call, rng)
    if rng.random() < 0.4:
        note = (
            b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":1}}' % call.key
        )
        events = [note] * rng.randrange(3) + [body]
        stream = b"".join(b"data: " + event.replace(b"\n", b" ") + b"\n\n" for event in events)
        stream = battered(stream, rng) if rng.random() < 0.3 else stream
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in chopped(stream, rng) if piece)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = head + chunks + (b"0\r\n\r\n" if rng.random() < 0.9 else b"")
    else:
        length = len(body) if rng.random() < 0.9 else max(0, len(body) + rng.choice((-5, -1, 1, 5)))
        status = rng.choice((b"200 OK",) * 8 + (b"202 Accepted", b"400 Bad Request", b"500 No"))
        data = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, length, body)
    return battered(data, rng) if rng.random() < 0.15 else data


async def _exchange(house: House, client: Client, rng: Random) -> Answer:
    """One call, and what comes of it."""

    async def script(call: Heard) -> None:
        with suppress(ConnectionError):
            for piece in chopped(_answer(call, rng), rng, 4):
                call.write(piece)
                await asyncio.sleep(0)
            if rng.random() < 0.2:
                call.close()

    house.far.script = script
    arguments = written(bent({"n": 1, "deep": {"a": [1, "x"]}}, rng)) if rng.random() < 0.5 else b'{"n":1}'
    key = rng.choice((b"1", b'"k"', b"-1", b"0", b"null", b"[]", b"18446744073709551616"))
    client.send(client.request(key, arguments))
    async with asyncio.timeout(ANSWERS_WITHIN):
        return await client.receive()


async def _visit(house: House, rng: Random) -> None:
    """Some calls over one connection, as long as it lasts."""
    async with house.client() as client:
        for _ in range(_TOGETHER):
            answer = await _exchange(house, client, rng)
            assert answer.status < 500 or b'"error"' in answer.body, answer.body
            if ("connection", "close") in answer.headers:
                return  # since the request was none


@turns("express")
async def test_calls_without_a_task_are_answered_whatever_comes_back(tmp_path: Path, turn: Turn) -> None:
    async with opened(tmp_path, {"timeout": _SHORT}) as house:
        for rng in turn.dice():
            try:
                await _visit(house, rng)
            except (TimeoutError, asyncio.IncompleteReadError, AssertionError) as error:
                raise AssertionError(str(turn)) from error
        async with asyncio.timeout(ANSWERS_WITHIN):
            while not house.is_empty():  # noqa: ASYNC110  # nobody tells when the last of it is gone
                await asyncio.sleep(0.01)
        assert True in house.took
