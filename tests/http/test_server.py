"""Requests that are read off a real socket, in pieces, in rows and by the hundred."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.conftest import exchanged, listening
from toolgate.http.heads import Last, whole
from toolgate.http.request import Request

BODY = b'{"a":1}'
END = b"Connection: close\r\n"


def post(body: bytes = BODY, more: bytes = b"", path: bytes = b"/x") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: h\r\n%bContent-Length: %d\r\n\r\n%b" % (path, more, len(body), body)


async def echo(request: Request) -> None:
    request.respond(200, b'{"%b":%b}' % (request.path.encode(), request.body or b"0"))


async def test_a_request_in_any_pieces_is_one_request() -> None:
    async with listening(echo) as house:
        data = post(more=END)
        for cut in range(1, len(data), 7):
            answer = await exchanged(house, data[:cut], data[cut:])
            assert answer.endswith(b'{"/x":{"a":1}}')


async def test_requests_in_a_row_are_answered_in_their_order() -> None:
    async def later_first(request: Request) -> None:
        await asyncio.sleep(0.02 if request.path == "/1" else 0)
        await echo(request)

    async with listening(later_first) as house:
        data = post(path=b"/1") + post(path=b"/2") + post(path=b"/3", more=END)
        answer = await exchanged(house, data)
    assert [answer.index(b'"/%d"' % number) for number in (1, 2, 3)] == sorted(
        answer.index(b'"/%d"' % number) for number in (1, 2, 3)
    )


async def test_a_head_that_comes_again_is_not_parsed_again_and_means_the_same() -> None:
    async with listening(echo) as house:
        reader, writer = await asyncio.open_connection(*house.address)
        for number in range(1, 5):
            writer.write(post(b"9" * number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert await reader.readexactly(length) == b'{"/x":%b}' % (b"9" * number)
        writer.close()
        headers = [request.headers for request in house.seen]
        assert headers[1] is headers[2] is headers[3]
        assert headers[0] == headers[3]


async def test_a_known_head_is_admitted_anew_each_time() -> None:
    async with listening(echo) as house:
        known = post(more=b"Authorization: right\r\n")
        assert (await exchanged(house, known, closes=False)).startswith(b"HTTP/1.1 200")
        house.limit = 3
        assert (await exchanged(house, known)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 8\r\n",
        b"Content-Length : 7\r\n",
        b" Content-Length: 7\r\n",
        b"Content-Length: +7\r\n",
    ],
)
async def test_two_framings_of_one_request_are_refused_though_its_like_was_known(more: bytes) -> None:
    async with listening(echo) as house:
        assert (await exchanged(house, post(), closes=False)).startswith(b"HTTP/1.1 200")
        for _ in range(2):
            assert (await exchanged(house, post(more=more))).startswith(b"HTTP/1.1 400")
        assert len(house.seen) == 1


@given(st.binary(max_size=60), st.integers(0, 60), st.sampled_from([b"Content-Length", b"content-length", b"Length"]))
def test_only_one_message_and_nothing_else_is_whole(body: bytes, length: int, name: bytes) -> None:
    data = b"POST / HTTP/1.1\r\nHost: h\r\n%b: %d\r\nX: y\r\n\r\n%b" % (name, length, body)
    came = whole(data)
    if length == len(body) and name != b"Length":
        assert came is not None
        assert (came.head, came.body) == (b"POST / HTTP/1.1\r\nHost: h\r\n%b: \r\nX: y" % name, body)
    else:
        assert came is None


@given(
    st.binary(max_size=30),
    st.sampled_from([b"%d", b"0%d", b" %d", b"+%d", b"%d\r\nContent-Length: %d", b"%d "]),
    st.sampled_from([b"X: y", b"X: z", b"X: y\r\nTransfer-Encoding: chunked"]),
    st.integers(-1, 1),
)
def test_the_head_that_came_last_is_told_as_all_others_are(body: bytes, digits: bytes, end: bytes, more: int) -> None:
    def message(body: bytes, digits: bytes = b"%d", end: bytes = b"X: y", more: int = 0) -> bytes:
        length = digits.replace(b"%d", b"%d" % max(0, len(body) + more))
        return b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %b\r\n%b\r\n\r\n%b" % (length, end, body)

    first = whole(message(b"before"))
    assert first is not None
    data = message(body, digits, end, more)
    came, again = whole(data), Last(first, None).body(data)
    if came is not None and came.head == first.head:
        assert again == came.body == body
    else:
        assert again is None


async def test_what_is_refused_by_its_head_is_answered_before_its_body_has_come() -> None:
    async with listening(echo) as house:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nAuthorization: wrong\r\nContent-Length: 5000\r\n\r\n"
        answer = await exchanged(house, head)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer
        assert house.seen == []


async def test_a_body_that_turns_out_too_large_is_refused() -> None:
    async with listening(echo) as house:
        house.limit = 100
        chunks = b"".join(b"20\r\n" + b"x" * 32 + b"\r\n" for _ in range(10))
        data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        assert (await exchanged(house, data)).startswith(b"HTTP/1.1 413")


async def test_a_head_without_end_is_refused() -> None:
    async with listening(echo) as house:
        line = b"X-Filler: " + b"x" * 8_000 + b"\r\n"
        assert (await exchanged(house, b"GET / HTTP/1.1\r\nHost: h\r\n", *[line] * 12)).startswith(b"HTTP/1.1 431")


async def test_an_offer_to_switch_protocols_is_not_taken_up() -> None:
    async with listening(echo) as house:
        data = post(more=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")
        assert (await exchanged(house, data, closes=False)).startswith(b"HTTP/1.1 200")


async def test_a_client_that_goes_is_noticed() -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> None:
        came.set()
        request.on_gone = request.cancel
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with listening(wait) as house:
        _, writer = await asyncio.open_connection(*house.address)
        writer.write(post())
        await asyncio.wait_for(came.wait(), 5)
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_fault_breaks_off_an_answer_that_has_begun(caplog: pytest.LogCaptureFixture) -> None:
    async def half(request: Request) -> None:
        request.begin(200, ((b"content-type", b"text/plain"),))
        request.write(b"half")
        raise ZeroDivisionError

    async with listening(half) as house:
        try:
            answer = await exchanged(house, post())
        except ConnectionError:
            answer = b""
        assert not answer.endswith(b"0\r\n\r\n")
    assert "ZeroDivisionError" in caplog.text


async def test_a_fault_before_the_answer_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: Request) -> None:
        raise ZeroDivisionError

    async with listening(fail) as house:
        assert (await exchanged(house, post())).startswith(b"HTTP/1.1 500")
    assert "ZeroDivisionError" in caplog.text


async def test_more_than_can_wait_is_turned_away_and_comes_in_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolgate.http.listener._AT_ONCE", 2)
    monkeypatch.setattr("toolgate.http.listener._MOST_WAITING", 3)
    monkeypatch.setattr("toolgate.http.server._PENALTY", 0.01)
    async with listening(echo) as house:
        moment = house.listener.loop.time()
        house.listener.start = _standing_still(house.listener.start, moment)  # type: ignore[method-assign]
        answers = await asyncio.gather(*(exchanged(house, post(more=END)) for _ in range(40)))
        served = sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        busy = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503")]
        assert served + len(busy) == 40
        assert busy
        assert all(b"retry-after: 1" in answer for answer in busy)


def _standing_still(start: Any, moment: float) -> Any:
    return lambda connection, _: start(connection, moment)
