"""The front under bytes that no good client sends: no crash, no silence, no fault of ours, and nothing left over."""

from collections.abc import AsyncIterator
from random import Random
from typing import Final

import pytest

from tests.fuzz.budget import Turn, turns
from tests.fuzz.dice import battered, bent, chopped, written
from tests.fuzz.front import FORBIDDEN, Front, fuzzed_front
from tests.fuzz.raw import Wire, dialled
from tests.fuzz.requests import Head, Request, any_request, legacy, modern, raw
from tests.fuzz.watch import Watch, watching

_ODD_LINES: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"Host", b"evil.example"),
    (b"Host", b"127.0.0.1:99999"),
    (b"Host", b"[::1"),
    (b"Origin", b"http://evil.example"),
    (b"Origin", b"null"),
    (b"Origin", b"http://[::"),
    (b"Origin", b"\xff\xfe://x"),
    (b"Authorization", b"Bearer wrong"),
    (b"Authorization", b"Bearer \xff"),
    (b"Authorization", b"Basic ="),
    (b"Mcp-Session-Id", b"\xe9\xa8"),
    (b"Mcp-Session-Id", b""),
    (b"MCP-Protocol-Version", b"2026-07-28"),
    (b"MCP-Protocol-Version", b"\xff"),
    (b"Mcp-Method", b"tools/call"),
    (b"Mcp-Name", b"=?base64?!?="),
    (b"Mcp-Name", b"=?base64?/w==?="),
    (b"Mcp-Param-X", b"\x01"),
    (b"Last-Event-ID", b"-1"),
    (b"Accept", b"*/*;q=0"),
    (b"Accept", b"," * 3_000),
    (b"Content-Type", b"application/json;" + b";" * 500),
    (b"Content-Encoding", b"gzip"),
    (b"Content-Length", b"0"),
    (b"Content-Length", b"-1"),
    (b"Content-Length", b"+1"),
    (b"Content-Length", b"1e3"),
    (b"Content-Length", b"99999999999999999999999"),
    (b"Content-Length", b"9" * 5_000),
    (b"Content-Length", b"5, 5"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Transfer-Encoding", b"identity"),
    (b"Transfer-Encoding", b"chunked, identity"),
    (b"Transfer-Encoding", b"xchunked"),
    (b"Transfer-Encoding ", b"chunked"),
    (b"Expect", b"100-continue"),
    (b"Expect", b"200-ok"),
    (b"Upgrade", b"websocket"),
    (b"Upgrade", b"h2c"),
    (b"Connection", b"upgrade"),
    (b"Connection", b"close"),
    (b"X-Long", b"x" * 100_000),
    (b"X-Null", b"a\x00b"),
    (b"X-Fold", b"a\r\n b"),
    (b"X-Split", b"a\nX: b"),
    (b"X-Return", b"a\rb"),
    (b"", b"no name"),
    (b"sp ace", b"x"),
    (b"\xff", b"x"),
)
_VERBS: Final = (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"post", b"X")
_PATHS: Final = (
    *(
        b"/mcp",
        b"/servers/one/mcp",
        b"/servers/%2e%2e/mcp",
        b"/servers/\xff/mcp",
        b"/%ff/mcp",
        b"/mcp?x=%zz",
        b"/mcp#x",
    ),
    *(b"*", b"http://127.0.0.1/mcp", b"//mcp", b"/healthz", b"/readyz", b"/api/v1/servers", b"/", b"", b"/%00", b"mcp"),
    *(b"/" + b"x" * 50_000, b"/\xe2\x80\xa8/mcp", b"http://[/mcp", b"/virtual/none/mcp"),
)


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    async with watching() as watching_it:
        yield watching_it


@pytest.fixture
async def front(watch: Watch) -> AsyncIterator[Front]:
    async with fuzzed_front() as started:
        yield started


@turns("messages")
async def test_bent_messages_are_answered(front: Front, watch: Watch, turn: Turn) -> None:
    for rng in turn.dice():
        request = any_request(rng, front.session())
        request.message = bent(request.message, rng)
        if rng.random() < 0.3:
            request.body = battered(written(request.message), rng)
        data = request.wire()
        async with dialled(front) as wire:
            await wire.send(chopped(data, rng, 3))
            await _answered(wire, turn, data)
        watch.after((str(turn), data[:2_000]))


async def _answered(wire: Wire, turn: Turn, data: bytes) -> None:
    try:
        answer = await wire.answer()
    except (TimeoutError, AssertionError, ValueError) as error:
        raise AssertionError(f"{turn}: {data[:2_000]!r}") from error
    assert answer is not None, f"{turn}: closed without a word after {data[:2_000]!r}"


@turns("heads")
async def test_bent_heads_are_answered_or_the_connection_is_closed(front: Front, watch: Watch, turn: Turn) -> None:
    for rng in turn.dice():
        data = _bent_head(any_request(rng, front.session()), rng)
        async with dialled(front) as wire:
            await wire.send(chopped(data, rng, 3))
            try:
                await wire.answer_or_end(bodiless=data.startswith(b"HEAD "))
            except (TimeoutError, AssertionError, ValueError) as error:
                raise AssertionError(f"{turn}: {data[:2_000]!r}") from error
        watch.after((str(turn), data[:2_000]))


def _bent_head(request: Request, rng: Random) -> bytes:
    body = written(request.message) if request.verb == b"POST" else b""
    head: Head = [*request.head, (b"Content-Length", b"%d" % len(body))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(head)) if head else 0
        match rng.randrange(7):
            case 0:
                head.insert(at, rng.choice(_ODD_LINES))
            case 1:
                head.append(rng.choice(_ODD_LINES))
            case 2 if head:
                head.append(head[at])
            case 3 if head:
                head.pop(at)
            case 4 if head:
                head[at] = (battered(head[at][0], rng), head[at][1])
            case 5 if head:
                head[at] = (head[at][0], battered(head[at][1], rng))
            case _ if head:
                head[at] = (head[at][0].swapcase(), b"\t " + head[at][1] + b" \t")
    verb = rng.choice(_VERBS) if rng.random() < 0.1 else request.verb
    path = rng.choice(_PATHS) if rng.random() < 0.2 else request.path
    data = raw(verb, path, head, body)
    return battered(data, rng) if rng.random() < 0.2 else data


@turns("cuts")
async def test_a_good_request_may_be_cut_at_every_byte(front: Front, watch: Watch, turn: Turn) -> None:
    for rng in turn.dice():
        call = {"name": "one__look", "arguments": {"text": "gr\u00fc\u00df\u2028dich"}}
        request = rng.choice((modern("tools/call", call), legacy("tools/call", call, front.session())))
        body = written(request.message)
        at = rng.randrange(len(body))
        chunked = b"%x;x=y\r\n%s\r\n%X\r\n%s\r\n0\r\n\r\n" % (
            at or 1,
            body[: at or 1],
            len(body) - (at or 1),
            body[at or 1 :],
        )
        head: Head = [*request.head, (b"Transfer-Encoding", b"chunked")]
        data = rng.choice((request.wire(), raw(b"POST", b"/mcp", head, chunked)))
        async with dialled(front) as wire:
            for cut in rng.sample(range(1, len(data)), 16):
                await wire.send((data[:cut], data[cut:]))
                answer = await wire.answer()
                assert answer is not None, f"{turn}: cut at {cut}"
                assert answer.status == 200, f"{turn}: cut at {cut}: {answer}"
            await wire.send(bytes([byte]) for byte in data)
            answer = await wire.answer()
            assert answer is not None, f"{turn}: byte by byte"
            assert answer.status == 200, f"{turn}: byte by byte: {answer}"
        watch.after(turn)


@turns("pipelines")
async def test_requests_in_one_go_are_answered_in_their_order(front: Front, watch: Watch, turn: Turn) -> None:
    for rng in turn.dice():
        session = front.session()
        keys = rng.sample(range(1_000), rng.randrange(2, 12))
        good = [
            rng.choice((modern("tools/list", {}, key), legacy("tools/call", {"name": "one__look"}, session, key)))
            for key in keys
        ]
        data = b"".join(request.wire() for request in good)
        async with dialled(front) as wire:
            await wire.send(chopped(data, rng))
            if rng.random() < 0.2:
                continue  # the client goes away without reading
            for key in keys:
                answer = await wire.answer()
                assert answer is not None, f"{turn}: {key} of {keys}"
                assert b'"id":%d,' % key in answer.body, f"{turn}: {key} of {keys}: {answer}"
            # Half a request, and no more: the end of our side is the end of it.
            await wire.send([data[: rng.randrange(1, len(good[0].wire()))]])
            wire.end()
            last = await wire.answer()
            assert last is None or last.status == 400, f"{turn}: {last}"
        watch.after(turn)


_INNER: Final = modern("tools/call", {"name": f"one__{FORBIDDEN}"}).wire()
_SHAPES: Final[tuple[Head, ...]] = (
    [(b"Content-Length", b"%d"), (b"Transfer-Encoding", b"chunked")],
    [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"%d")],
    [(b"Content-Length", b"%d"), (b"Transfer-Encoding", b"\x0bchunked")],
    [(b"Content-Length", b"%d"), (b"Transfer-Encoding", b"chunked, identity")],
    [(b"Content-Length", b"%d"), (b"Transfer-Encoding", b"identity"), (b"Transfer-Encoding", b"chunked")],
    [(b"Content-Length", b"%d"), (b"Transfer-Encoding ", b"chunked")],
    [(b"Content-Length", b"%d"), (b"X", b"\r\n Transfer-Encoding: chunked")],
    [(b"Content-Length", b"%d"), (b"X", b"\nTransfer-Encoding: chunked")],
    [(b"Content-Length", b"%d"), (b"X", b"\rTransfer-Encoding: chunked")],
    [(b"Content-Length", b"%d"), (b"Content-Length", b"5")],
    [(b"Content-Length", b"5"), (b"Content-Length", b"%d")],
    [(b"Content-Length", b"5, %d")],
    [(b"Content-Length", b"%d"), (b"Content-Length", b"0")],
)


@pytest.mark.parametrize("shape", _SHAPES, ids=repr)
async def test_nothing_is_smuggled_behind_a_request_of_two_lengths(front: Front, watch: Watch, shape: Head) -> None:
    body = b"0\r\n\r\n" + _INNER
    filled = [(name, value.replace(b"%d", b"%d" % len(body))) for name, value in shape]
    async with dialled(front) as wire:
        await wire.send([raw(b"POST", b"/mcp", [*modern("tools/list", {}).head, *filled], body)])
        first = await wire.answer_or_end()
        assert first is None or first.status >= 400, first
        assert await wire.answer_or_end() is None
    assert not front.smuggled
    watch.after(shape)


async def test_a_client_that_sends_a_byte_now_and_then_keeps_nobody_waiting(front: Front, watch: Watch) -> None:
    data = modern("tools/list", {}).wire()
    slow = [dialled(front) for _ in range(64)]
    wires = [await connection.__aenter__() for connection in slow]
    try:
        for at in range(0, 40, 8):
            for wire in wires:
                await wire.send([data[at : at + 8]])
            async with dialled(front) as quick:
                await quick.send([data])
                answer = await quick.answer()
                assert answer is not None
                assert answer.status == 200
    finally:
        for connection in slow:
            await connection.__aexit__(None, None, None)
    watch.after("slow clients")
