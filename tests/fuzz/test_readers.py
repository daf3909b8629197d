"""The readers of what a server says: whatever the bytes, and wherever they are cut."""

import re
from random import Random
from typing import Final

import pytest

from tests.fuzz.budget import Turn, turns
from tests.fuzz.dice import battered, bent, chopped, written
from tests.fuzz.requests import modern
from toolgate.errors import ProtocolError
from toolgate.protocol.envelope import Message, fields, parse
from toolgate.protocol.sse import Decoder, Event, EventTooLarge
from toolgate.runtime.lines import LineSplitter

_LIMIT: Final = 4_000
_ROOM: Final = 1 << 30
_STREAM: Final = (
    b"\xef\xbb\xbf: hello\n\nid: 7\nretry: 30\nevent: message\ndata: {\r\ndata:  }\r\n\r\ndata:one\rdata\r\r"
    b"id: \x00\ndata: \xe2\x80\xa8 \xc2\x85\n\nevent: endpoint\ndata: /x\n\nid\ndata: last\n\ndata: no end"
)


@turns("readers")
def test_readers_give_the_same_wherever_the_bytes_are_cut(turn: Turn) -> None:
    for rng in turn.dice():
        stream = battered(_STREAM * rng.choice((1, 1, 3)), rng)
        try:
            _check_events(stream, rng)
            _check_lines(stream.replace(b"\r", b"\n"), rng)
            _check_message(rng)
        except Exception as error:
            raise AssertionError(f"{turn}: {stream!r}") from error


def _check_events(stream: bytes, rng: Random) -> None:
    expected = _plainly(stream)
    pieces = [bytes([byte]) for byte in stream] if rng.random() < 0.3 else chopped(stream, rng)
    decoder = Decoder(_ROOM)
    assert [event for piece in pieces for event in decoder.feed(piece)] == expected
    small = Decoder(30)
    try:
        for piece in pieces:
            small.feed(piece)
    except EventTooLarge:
        assert len(stream) > 30


def _plainly(stream: bytes) -> list[Event]:
    """The specification of server-sent events, word by word (HTML, 9.2.6)."""
    events, data, kind, last = [], list[bytes](), b"", ""
    for line in re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                events.append(Event(kind.decode(errors="replace") or "message", b"\n".join(data), last))
            data, kind = [], b""
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
        elif name == b"id" and b"\0" not in value:
            last = value.decode(errors="replace")
    return events


def _check_lines(stream: bytes, rng: Random) -> None:
    limit = rng.choice((0, 1, 10, _LIMIT))
    lines: list[bytes | int] = []
    splitter = LineSplitter(limit, lines.append, lambda head, tail, size: lines.append(size))
    for piece in chopped(stream, rng):
        splitter.feed(piece)
    assert lines == [line if len(line) <= limit else len(line) for line in stream.split(b"\n")[:-1]]


def _check_message(rng: Random) -> None:
    data = written(bent(modern("tools/call", {"name": "x", "arguments": {"a": [1]}}).message, rng))
    data = battered(data, rng) if rng.random() < 0.5 else data
    try:
        message = parse(data)
        fields(message.params)
    except ProtocolError:
        return
    assert isinstance(message, Message)
    if message.key is not None:
        message.key.decode()


@pytest.mark.parametrize("at", range(len(_STREAM)))
def test_a_stream_may_be_cut_at_every_byte(at: int) -> None:
    decoder = Decoder(_ROOM)
    assert [*decoder.feed(_STREAM[:at]), *decoder.feed(_STREAM[at:])] == _plainly(_STREAM)
