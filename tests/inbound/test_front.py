"""Who may come in at all."""

import asyncio
from typing import Any

import pytest

from tests.inbound.conftest import BOTH, Front

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
    ],
)
async def test_a_foreign_host_or_origin_is_forbidden(front: Front, headers: dict[str, str]) -> None:
    async with front.modern("tools/list", headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:1"},
        {"Host": "[::1]:8765"},
        {"Origin": "http://localhost:6274"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://allowed.example"},
    ],
)
async def test_this_machine_and_who_is_named_may_come(front: Front, headers: dict[str, str]) -> None:
    async with front.modern("tools/list", headers=headers) as answer:
        assert answer.status == 200


async def test_a_wrong_key_is_challenged(front: Front) -> None:
    async with front.modern("tools/list", headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Accept": "application/json"}, 406),
        ({"Accept": "text/event-stream"}, 406),
        ({"Accept": "text/html"}, 406),
        ({"Content-Type": "text/plain"}, 406),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 406),
        ({"Accept": "*/*"}, 200),
        ({"Accept": "application/*, text/*;q=0.5"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
async def test_media_types_are_checked(front: Front, headers: dict[str, str], status: int) -> None:
    async with front.modern("tools/list", headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "GET"])
async def test_other_methods_are_told_which_are_served(front: Front, method: str) -> None:
    async with front.http.request(method, front.url + "/mcp", headers={"Accept": BOTH}) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST, GET, DELETE"


@pytest.mark.parametrize("endpoint", ["/servers/nobody/mcp", "/virtual/nothing/mcp", "/other"])
async def test_an_unknown_endpoint_is_not_found(front: Front, endpoint: str) -> None:
    async with front.modern("tools/list", endpoint=endpoint) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"'])
async def test_a_body_that_is_not_one_message_is_a_bad_request(front: Front, body: bytes) -> None:
    async with front.post(body) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert error["code"] in {-32700, -32600}


async def test_a_body_over_the_limit_is_refused_before_it_is_read(front: Front) -> None:
    async with front.post(b" " * 10_001) as answer:
        assert answer.status == 413
        assert "request_bytes" in (await answer.text()) or (await answer.json())["error"]["code"] == -31020


async def test_a_body_over_the_limit_without_a_length_is_refused_too(front: Front) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b" " * 1_000

    headers = {"Content-Type": "application/json", "Accept": BOTH}
    async with front.http.post(front.url + "/mcp", data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_health_is_answered_without_a_key(front: Front) -> None:
    for path, body in (("/healthz", {"alive": True}), ("/readyz", {"ready": True})):
        async with front.http.get(front.url + path) as answer:
            assert (answer.status, await answer.json()) == (200, body)


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(front: Front) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(front.url.rpartition(":")[2]))
    writer.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n")
    writer.write(b"Content-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with front.modern("tools/list") as answer:
        assert answer.status == 200
