import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.runtime.egress.client_hello import LARGEST, NotTLS, server_name


def spoken(name: str | None) -> bytes:
    """What OpenSSL begins with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    sent = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


def hello(*extensions: tuple[int, bytes], after: bytes = b"") -> bytes:
    """One by hand, as a single record."""
    block = b"".join(kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body for kind, body in extensions)
    body = b"\3\3" + b"r" * 32 + b"\0" + b"\0\2\x13\1" + b"\1\0" + len(block).to_bytes(2, "big") + block + after
    return record(b"\1" + len(body).to_bytes(3, "big") + body)


def record(handshake: bytes) -> bytes:
    return b"\x16\3\1" + len(handshake).to_bytes(2, "big") + handshake


def names(*given: bytes, kind: int = 0) -> tuple[int, bytes]:
    entries = b"".join(bytes([kind]) + len(each).to_bytes(2, "big") + each for each in given)
    return 0, len(entries).to_bytes(2, "big") + entries


REAL = spoken("Api.Example.COM")


def test_the_name_is_read_in_lower_case() -> None:
    assert server_name(REAL) == "api.example.com"
    assert server_name(hello((43, b"\2\3\4"), names(b"a.example"), (0xFE0D, b"ech"))) == "a.example"


def test_no_name_is_an_empty_one() -> None:
    assert server_name(spoken(None)) == ""
    assert server_name(hello()) == ""


def test_more_is_asked_for_until_the_message_is_whole() -> None:
    assert [server_name(REAL[:size]) for size in range(len(REAL))] == [None] * len(REAL)
    assert server_name(REAL + b"\x17early data") == "api.example.com"


@pytest.mark.parametrize("size", [1000, 200, 100, 20])
def test_a_message_in_several_records_is_put_together(size: int) -> None:
    handshake = REAL[5:]
    parts = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    assert server_name(b"".join(map(record, parts))) == "api.example.com"


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "does not speak TLS"),
        (b"\x80\x2e\1\3\1", "does not speak TLS"),
        (b"\x16\2\0\0\1\1", "does not speak TLS"),
        (b"\x16\3\1\0\0\1", "does not speak TLS"),
        (b"\x16\3\1\xff\xff\1", "does not speak TLS"),
        (record(b"\2\0\0\0"), "begin with a ClientHello"),
        (record(b"\1\xff\xff\xff"), "too long"),
        (b"".join(record(bytes([each])) for each in REAL[5:]), "too many pieces"),
        (hello(names(b"a.example"), names(b"b.example")), "two hosts"),
        (hello(names(b"a.example", b"b.example")), "two hosts"),
        (hello(names(b"a.example", kind=1)), "two hosts"),
        (hello((0, b"")), "broken"),
        (hello((0, b"\0\0")), "broken"),
        (hello(names(b"")), "names no host"),
        (hello(names(b"a\0b")), "names no host"),
        (hello(names(b"\xff")), "names no host"),
        (hello(after=b"more"), "broken"),
        (record(b"\1\0\0\1a"), "broken"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(received: bytes, reason: str) -> None:
    with pytest.raises(NotTLS, match=reason):
        server_name(received)


def test_it_is_bounded() -> None:
    handshake = b"\1" + (LARGEST - 100).to_bytes(3, "big") + b"\0" * LARGEST
    endless = b"".join(record(handshake[at : at + 16000]) for at in range(0, len(handshake), 16000))
    with pytest.raises(NotTLS):
        server_name(endless)


@given(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_hello_is_refused_or_names_some_host(at: int, noise: bytes) -> None:
    for damaged in (REAL[:at] + noise + REAL[at + len(noise) :], REAL[:at] + noise + REAL[at:], noise + REAL):
        try:
            name = server_name(damaged)
        except NotTLS:
            continue
        assert name is None or name.isprintable()


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_or_read(noise: bytes) -> None:
    for received in (noise, b"\x16\3\1" + noise, record(b"\1\0" + len(noise).to_bytes(2, "big") + noise)):
        with suppress(NotTLS):
            server_name(received)
