import json
from typing import Any

import pytest

from toolgate.control.app import Control
from toolgate.errors import ConfigError


class Gateway:
    def __init__(self) -> None:
        self.reloads = 0
        self.broken = False

    def report(self) -> list[dict[str, Any]]:
        return [{"name": "time", "state": "ready"}, {"name": "git", "state": "failing"}]

    async def reload(self) -> None:
        self.reloads += 1
        if self.broken:
            raise ConfigError("not a number", file="toolgate.yaml", line=3, field="timeout", hint="write seconds")


async def ask(gateway: Gateway, method: str, path: str) -> tuple[int, Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    await Control(gateway)({"type": "http", "method": method, "path": path, "headers": []}, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


async def test_servers_are_listed_and_found_by_name() -> None:
    assert await ask(Gateway(), "GET", "/api/v1/servers") == (200, {"servers": Gateway().report()})
    assert await ask(Gateway(), "GET", "/api/v1/servers/git") == (200, {"name": "git", "state": "failing"})


async def test_the_version_names_the_revisions_that_are_spoken() -> None:
    status, answer = await ask(Gateway(), "GET", "/api/v1/version")
    assert (status, answer["name"]) == (200, "toolgate")
    assert "2026-07-28" in answer["protocol"]


async def test_reload_answers_what_is_served_after() -> None:
    gateway = Gateway()
    assert await ask(gateway, "POST", "/api/v1/reload") == (200, {"servers": gateway.report()})
    assert gateway.reloads == 1


async def test_a_bad_configuration_is_told_with_file_line_and_field() -> None:
    gateway = Gateway()
    gateway.broken = True
    status, answer = await ask(gateway, "POST", "/api/v1/reload")
    assert status == 422
    assert answer == {
        "error": {
            "code": "config-invalid",
            "message": "toolgate.yaml:3: timeout: not a number",
            "hint": "write seconds",
        }
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/servers/none", 404, "not-found"),
        ("GET", "/api/v1/none", 404, "not-found"),
        ("GET", "/api/v2/servers", 404, "not-found"),
        ("GET", "/api/v1/version/1", 404, "not-found"),
        ("GET", "/api/v1/reload", 405, "method-not-allowed"),
        ("POST", "/api/v1/servers", 405, "method-not-allowed"),
    ],
)
async def test_what_is_not_there_is_told(method: str, path: str, status: int, code: str) -> None:
    answer = await ask(Gateway(), method, path)
    assert answer[0] == status
    assert answer[1]["error"]["code"] == code
