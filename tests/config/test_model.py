import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from toolgate.config.load import schema
from toolgate.config.model import DEFAULT_SOURCES, Document
from toolgate.model.rate import Rate
from toolgate.model.server import Http, Stdio
from toolgate.sources.clients import CLIENTS
from toolgate.sources.environment import ENVIRONMENT


def document(**settings: Any) -> Document:
    return Document.model_validate({"version": 1, **settings})


def test_the_defaults_are_right_for_most() -> None:
    defaults = document()
    assert (defaults.host, defaults.port, defaults.database) == ("127.0.0.1", 8765, "sqlite")
    assert (defaults.timeout, defaults.start_timeout, defaults.drain) == (30, 60, 10)
    assert (defaults.limits.request_bytes, defaults.limits.response_bytes) == (4 * 2**20, 32 * 2**20)
    assert [source.name for source in defaults.sources] == list(DEFAULT_SOURCES)
    assert defaults.access.anonymous == "local"


def test_every_source_that_can_be_named_exists() -> None:
    assert {*CLIENTS, ENVIRONMENT} == set(DEFAULT_SOURCES)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("0.0.0.0:80", "0.0.0.0", 80), ("[::1]:8765", "::1", 8765), ("localhost:0", "localhost", 0)],  # noqa: S104
)
def test_an_address_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    assert (document(listen=listen).host, document(listen=listen).port) == (host, port)


@pytest.mark.parametrize("listen", ["8765", ":8765", "localhost", "::1:80", "a:99999", "http://a:1", "a b:1", "a:1\n"])
def test_half_an_address_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError):
        document(listen=listen)


@pytest.mark.parametrize(
    ("written", "size"),
    [(1, 1), ("4MiB", 4 * 2**20), ("1 kB".replace("k", "K"), 1000), ("1.5GiB", 3 * 2**29), ("10", 10), ("7 B", 7)],
)
def test_sizes_are_numbers_or_words(written: int | str, size: int) -> None:
    assert document(limits={"request_bytes": written}).limits.request_bytes == size


@pytest.mark.parametrize("written", [0, -1, "4mb", "MiB", True, None, "0.1B", 1.5])
def test_what_is_no_size_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        document(limits={"request_bytes": written})


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True, "soon", 10**9])
def test_what_is_no_duration_is_refused(seconds: Any) -> None:
    with pytest.raises(ValidationError):
        document(timeout=seconds)


def test_a_server_is_a_command_or_a_url() -> None:
    servers = document(
        servers={
            "child": {"command": "npx", "args": ["-y", 1], "env": {"A": 8080, "B": True, "C": None}, "cwd": "x"},
            "web": {"url": "https://example.com/mcp", "headers": {"A": "${T}"}, "tool_timeouts": {"slow": 90}},
            "off": {"disabled": True},
        }
    ).servers
    child, web = servers["child"].transport, servers["web"].transport
    assert isinstance(child, Stdio)
    assert isinstance(web, Http)
    assert [text.text for text in child.args] == ["-y", "1"]
    assert {name: text.text for name, text in child.env.items()} == {"A": "8080", "B": "true"}
    assert servers["off"].transport is None


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["vscode"], [("vscode", None)]),
        ([{"cursor": {"project": "."}}, {"vscode": None}], [("cursor", "."), ("vscode", None)]),
        ([], []),
    ],
)
def test_a_source_is_a_name_with_or_without_options(sources: Any, expected: Any) -> None:
    assert [(source.name, source.project) for source in document(sources=sources).sources] == expected


def test_a_virtual_server_picks_by_pattern_or_renames() -> None:
    virtual = document(
        virtual_servers={"v": {"tools": ["github__*", {"name": "slack__post", "as": "post"}], "resources": ["file:*"]}}
    ).virtual_servers["v"]
    assert [(pick.name, pick.shown_as) for pick in virtual.tools] == [("github__*", None), ("slack__post", "post")]
    assert virtual.resources == ("file:*",)


@pytest.mark.parametrize("pick", [{"name": "a__*", "as": "b"}, {"name": "a", "as": "b c"}, {"as": "b"}, "", 3])
def test_a_pick_that_means_nothing_is_refused(pick: Any) -> None:
    with pytest.raises(ValidationError):
        document(virtual_servers={"v": {"tools": [pick]}})


def test_what_bounds_calls_is_read_and_shown_as_it_was_written() -> None:
    read = document(
        limits={"principal_rate": "600/minute", "tool_rate": "5/second burst 1", "calls": 7, "cache_bytes": "1MiB"},
        servers={"a": {"command": "x", "rate": "1/hour", "tool_rates": {"t": "2/day"}, "cache": {"get_*": 60}}},
        access={"teams": {"support": {"allow": ["docs", "a__*"]}}, "without_team": "nothing"},
    )
    assert read.limits.principal_rate == Rate(600, "minute", 600)
    assert (read.limits.server_rate, read.limits.calls_per_principal) == (None, None)
    shown = json.loads(read.model_dump_json())
    assert (shown["limits"]["principal_rate"], shown["limits"]["tool_rate"]) == ("600/minute", "5/second burst 1")
    assert shown["servers"]["a"]["tool_rates"] == {"t": "2/day"}
    assert document(limits=shown["limits"], access=shown["access"]).limits == read.limits
    assert read.access.teams["support"].allow == ("docs", "a__*")
    defaults = document().limits
    assert (defaults.principal_rate, defaults.calls, defaults.cache_bytes) == (None, 10_000, 64 * 2**20)


@pytest.mark.parametrize(
    "settings",
    [
        {"limits": {"principal_rate": "often"}},
        {"limits": {"principal_rate": 5}},
        {"limits": {"principal_rate": "0/minute"}},
        {"limits": {"calls": 0}},
        {"limits": {"calls": True}},
        {"limits": {"cache_bytes": -1}},
        {"servers": {"a": {"command": "x", "cache": {"t": 0}}}},
        {"servers": {"a": {"command": "x", "tool_rates": {"t": "1/week"}}}},
        {"access": {"teams": {"a,b": {"allow": []}}}},
        {"access": {"teams": {"a": {"allow": [""]}}}},
        {"access": {"teams": {"a": {}}}},
        {"access": {"without_team": "some"}},
    ],
)
def test_bounds_that_mean_nothing_are_refused(settings: Any) -> None:
    with pytest.raises(ValidationError):
        document(**settings)


def test_a_document_can_always_be_shown() -> None:
    shown = document(
        database="postgresql+asyncpg://user:hunter2@db/x",
        servers={
            "a": {"command": "npx", "args": ["--key", "hunter2"], "env": {"K": "hunter2", "R": "${REF}"}},
            "b": {"url": "https://u:hunter2@example.com", "headers": {"A": "Bearer hunter2 ${REF:-hunter2}"}},
        },
    )
    assert "hunter2" not in f"{shown!r} {shown} {shown.model_dump_json()} {shown.model_dump()}"
    assert "${REF}" in shown.model_dump_json()
    assert shown.database.endswith("hunter2@db/x")


def test_errors_never_quote_a_value() -> None:
    with pytest.raises(ValidationError) as caught:
        document(database="hunter2", servers={"a": {"command": ["hunter2"], "env": {"A": {"x": "hunter2"}}}})
    assert "hunter2" not in str(caught.value)


def test_the_schema_describes_every_setting() -> None:
    published = schema()
    assert json.loads(json.dumps(published)) == published
    models = [published, *published["$defs"].values()]
    for model in models:
        for name, setting in model.get("properties", {}).items():
            part = published["$defs"].get(setting.get("$ref", "").removeprefix("#/$defs/"), {})
            assert setting.get("description") or part.get("description"), name
    assert published["required"] == ["version"]
    assert published["properties"]["sources"]["items"] == {"$ref": "#/$defs/SourceEntry"}
    assert published["$defs"]["SourceEntry"]["anyOf"][0] == {"enum": list(DEFAULT_SOURCES)}


def test_a_document_is_frozen() -> None:
    frozen: BaseModel = document()
    with pytest.raises(ValidationError):
        frozen.timeout = 1  # type: ignore[attr-defined]
