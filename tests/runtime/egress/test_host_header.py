from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.runtime.egress.host_header import LARGEST, NotHTTP, Requests

GOOD = b"GET / HTTP/1.1\r\nHost: ok.example\r\n\r\n"
EVIL = b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: ok.example\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


def read(*parts: bytes) -> Requests:
    requests = Requests(lambda host: host == "ok.example")
    for part in parts:
        requests.feed(part)
    return requests


@pytest.mark.parametrize(
    "sent",
    [
        GOOD,
        GOOD + GOOD,
        GOOD.replace(b"ok.example", b"OK.Example:80"),
        b"OPTIONS * HTTP/1.1\r\nhost:ok.example\r\n\r\n",
        POST + b"Content-Length: 3\r\n\r\nabc" + GOOD,
        CHUNKED + b"\r\n" + GOOD,
        POST + b"Content-Length: 200000\r\n\r\n" + b"Host: evil.example\r\n" * 10000 + GOOD,
        b"GET / HTTP/1.0\r\nHost: ok.example\r\n\r\n",
    ],
)
def test_requests_for_the_host_pass_in_one_piece_and_in_many(sent: bytes) -> None:
    assert read(sent).begun
    assert read(*(sent[at : at + 7] for at in range(0, len(sent), 7))).begun


def test_a_request_has_begun_when_its_head_is_whole() -> None:
    assert not read(GOOD[:-1]).begun
    assert read(GOOD[:-1], GOOD[-1:]).begun


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (EVIL, "is for 'evil.example'"),
        (GOOD + EVIL, "is for 'evil.example'"),
        (POST + b"Content-Length: 3\r\n\r\nabc" + EVIL, "is for 'evil.example'"),
        (CHUNKED + b"\r\n" + EVIL, "is for 'evil.example'"),
        (GOOD.replace(b"ok.example", b"ok.example:81"), "is for"),
        (GOOD.replace(b"ok.example", b"me@ok.example"), "is for"),
        (GOOD.replace(b"ok.example", b"ok.example, evil.example"), "is for"),
        (GOOD[:-2] + b"Host: ok.example\r\n\r\n", "exactly one host"),
        (GOOD[:-2] + b"hOsT: evil.example\r\n\r\n", "exactly one host"),
        (b"GET / HTTP/1.0\r\n\r\n", "exactly one host"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: ok.example\r\n\r\n", "one for a proxy"),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: ok.example\r\n\r\n", "one for a proxy"),
        (GOOD[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "change the protocol"),
        (CHUNKED + b"Host: evil.example\r\n\r\n", "after its request"),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL, "not speak HTTP"),
        (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "not speak HTTP"),
        (POST + b"Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "not speak HTTP"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "not speak HTTP"),
        (b"GET / HTTP/1.1\r\nHost : ok.example\r\n\r\n", "not speak HTTP"),
        (b"GET / HTTP/1.1\r\nHost: ok.example\r\n Host: evil.example\r\n\r\n", "not speak HTTP"),
        (b"GET / HTTP/1.1\r\nHost: ok.example\nX: y\r\n\r\n", "not speak HTTP"),
        (b"GET / HTTP/1.1\r\nA: b\n\nGET / HTTP/1.1\nHost: ok.example\r\n\r\n", "not speak HTTP"),
        (GOOD.replace(b"ok.example", b"ok.example\0"), "not speak HTTP"),
        (GOOD[:-2] + b"Connection: close\r\n\r\n" + GOOD, "not speak HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not speak HTTP"),
        (b"\x16\3\1\2\0\1\0", "not speak HTTP"),
    ],
)
def test_what_is_for_another_host_or_could_be_is_refused(sent: bytes, reason: str) -> None:
    with pytest.raises(NotHTTP, match=reason):
        read(sent)
    with pytest.raises(NotHTTP):
        read(*(sent[at : at + 1] for at in range(len(sent))))


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nX: ", b"GET /", CHUNKED + b"X: "])
def test_a_head_without_an_end_is_refused(start: bytes) -> None:
    with pytest.raises(NotHTTP, match="too long"):
        read(start, *([b"a" * 1000] * (LARGEST // 1000 + 1)))


@given(
    st.lists(st.sampled_from([GOOD, EVIL, CHUNKED, POST, b"\r\n", b"Host: evil.example\r\n", b"\0", b"abc", b"0\r\n"]))
)
def test_no_mixture_lets_a_foreign_request_through(parts: list[bytes]) -> None:
    sent = b"".join(parts)
    try:
        read(sent)
    except NotHTTP:
        return
    assert not sent.startswith(EVIL)
    assert b"\r\n\r\n" + EVIL not in sent.replace(CHUNKED, POST)


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_any_bytes_are_refused_or_read(noise: bytes, kept: int) -> None:
    with suppress(NotHTTP):
        read(GOOD[:kept] + noise)
