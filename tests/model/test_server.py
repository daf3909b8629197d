"""A definition compares by what it does, and says early that it can never work."""

import pytest

from toolgate.model.secretref import Template
from toolgate.model.server import Http, Provenance, Server, Stdio, flaw


def child(command: str = "npx", *args: str, **env: str) -> Stdio:
    return Stdio(Template(command), tuple(map(Template, args)), {name: Template(text) for name, text in env.items()})


def test_where_a_server_was_found_does_not_make_it_another() -> None:
    one = Server("a", child("npx", "-y"), Provenance("cursor", "/one"))
    two = Server("a", child("npx", "-y"), Provenance("vscode", "/two"))
    assert one == two
    assert one != Server("a", child("npx", "-n"), Provenance("cursor", "/one"))


def test_a_tool_has_its_own_deadline_where_one_is_given() -> None:
    server = Server("a", child(), Provenance("x"), timeout=5, tool_timeouts={"slow": 60})
    assert (server.timeout_of("slow"), server.timeout_of("other")) == (60, 5)


def test_nothing_written_in_a_definition_shows_in_its_repr() -> None:
    server = Server("a", child("npx", "--token=hunter2", TOKEN="hunter2"), Provenance("x"))
    assert "hunter2" not in repr(server)


@pytest.mark.parametrize(
    ("transport", "field"),
    [
        (child(" "), "command"),
        (child("a\0b"), "command"),
        (child("a", "fine", "\0"), "args[1]"),
        (child("a", "\ud800"), "args[0]"),
        (child("a", **{"A=B": "x"}), "env"),
        (child("a", **{"": "x"}), "env"),
        (child("a", X="\0"), "env.X"),
        (Stdio(Template("a"), cwd="\0"), "cwd"),
        (Http(Template("ftp://example.com")), "url"),
        (Http(Template("example.com/mcp")), "url"),
        (Http(Template("http://")), "url"),
        (Http(Template("http://[::1")), "url"),
        (Http(Template("http://example.com:99999/")), "url"),
        (Http(Template("http://example.com"), {"a b": Template("x")}), "headers"),
        (Http(Template("http://example.com"), {"a": Template("x\r\ny: z")}), "headers.a"),
    ],
)
def test_what_can_never_work_is_told_with_its_place(transport: Stdio | Http, field: str) -> None:
    found = flaw(transport)
    assert found is not None
    assert found.field == field


@pytest.mark.parametrize(
    "transport",
    [
        child("C:\\Program Files\\nodejs\\npx.cmd", "-y", "D:\\data"),
        child("${RUNNER}", "", TOKEN=""),
        Http(Template("https://user:word@example.com:8443/mcp?x=1"), {"Authorization": Template("Bearer ${X}")}),
        Http(Template("http://[::1]:8000/mcp")),
        Http(Template("${BASE}/mcp")),
    ],
)
def test_what_may_work_has_no_flaw(transport: Stdio | Http) -> None:
    assert flaw(transport) is None
