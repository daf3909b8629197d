import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.protocol.sse import Decoder, Event, EventTooLarge, encode

LIMIT = 1 << 20

PIECES = st.sampled_from([
    b"data", b":", b" ", b"\n", b"\r", b"\r\n", b"id", b"event", b"retry", b"7", b"x", b"\xef\xbb\xbf",
    "\u2028\u0085".encode(), b"\x0b", b"\x1c", b"\0", b"\n\n", b"data: {}\n\n", b": comment\n",
])  # fmt: skip


def all_at_once(stream: bytes) -> list[Event]:
    return Decoder(LIMIT).feed(stream)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.data())
def test_events_do_not_depend_on_where_the_chunks_are_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    decoder = Decoder(LIMIT)
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == all_at_once(stream)


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_byte_by_byte_is_the_same_as_all_at_once(stream: bytes) -> None:
    decoder = Decoder(LIMIT)
    assert [event for byte in stream for event in decoder.feed(bytes([byte]))] == all_at_once(stream)


@given(st.text(), st.sampled_from(["message", "endpoint"]))
def test_what_is_encoded_is_decoded(text: str, name: str) -> None:
    data = json.dumps(text, ensure_ascii=False).encode()
    assert all_at_once(encode(data, name, "7")) == [Event(name, data, "7")]


def test_every_kind_of_line_end_and_a_byte_order_mark() -> None:
    stream = b"\xef\xbb\xbfdata: a\r\ndata: b\rdata:c\n\r\n"
    assert all_at_once(stream) == [Event("message", b"a\nb\nc")]


def test_line_breaks_of_unicode_end_no_line() -> None:
    data = '{"text":"a\u2028b\u0085c\x0bd"}'.encode()
    assert all_at_once(b"data: " + data + b"\n\n") == [Event("message", data)]


def test_data_with_line_breaks_arrives_with_newlines() -> None:
    assert all_at_once(encode(b"a\r\nb\rc\nd")) == [Event("message", b"a\nb\nc\nd")]


def test_ids_last_and_comments_and_unknown_fields_are_ignored() -> None:
    decoder = Decoder(LIMIT)
    events = decoder.feed(b": hello\nid: 1\nretry: 250\ndata\n\nfoo: bar\ndata: x\n\n")
    assert decoder.feed(b"id: 2\n\nid: \x00\nretry: soon\n\n") == []
    assert events == [Event("message", b"", "1"), Event("message", b"x", "1")]
    assert decoder.last_id == "2"
    assert decoder.retry == 250


def test_an_event_without_data_is_none_and_takes_its_name_along() -> None:
    assert all_at_once(b"event: odd\n\ndata: x\n\n") == [Event("message", b"x")]


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 200, b"data: x\n" * 40, b": " + b"x" * 200])
def test_one_event_is_bounded(chunk: bytes) -> None:
    with pytest.raises(EventTooLarge):
        Decoder(100).feed(chunk)


def test_many_events_are_not() -> None:
    decoder = Decoder(100)
    assert sum(len(decoder.feed(b": keep-alive\n\ndata: x\n\n")) for _ in range(1000)) == 1000


def _with_skips(stream: bytes, chunks: list[bytes], limit: int) -> tuple[list[Event], list[tuple[bytes, bytes]]]:
    ends: list[tuple[bytes, bytes]] = []
    decoder = Decoder(limit, lambda head, tail, _: ends.append((head, tail)))
    return [event for chunk in chunks for event in decoder.feed(chunk)], ends


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_an_event_that_is_too_large_can_be_passed_over_wherever_the_chunks_are_cut(end: str) -> None:
    big = encode(b'{"id":1,' + b"x" * 3000 + b"\n\n" + b"y" * 3000 + b',"z":2}')
    stream = (encode(b"before") + big + encode(b"after", "message", "7")).replace(b"\n", end.encode())
    for size in (1, 7, 100, 2000, len(stream)):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        events, [(head, tail)] = _with_skips(stream, chunks, 1000)
        assert [event.data for event in events] == [b"before", b"after"]
        assert head.startswith(b'{"id":1,')
        assert tail.endswith(b',"z":2}')
        assert len(head) + len(tail) <= 1024
