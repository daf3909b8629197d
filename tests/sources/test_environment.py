from collections.abc import Mapping
from pathlib import Path

import pytest

from toolgate.model.server import Http, Stdio
from toolgate.sources.base import Found
from toolgate.sources.entry import Place
from toolgate.sources.environment import EnvironmentServers
from toolgate.sources.variables import Variables


def read(env: Mapping[str, str]) -> Found:
    place = Place("environment", "environment", Path("/"), Variables(Path("/home")), 30)
    return EnvironmentServers(env, place).read()


def test_nothing_set_is_nothing_found() -> None:
    assert read({}) == read({"MCP_SERVERS": " , "}) == Found()


def test_servers_are_read_from_variables() -> None:
    found = read(
        {
            "MCP_SERVERS": "docs, my-time,docs",
            "MCP_SERVER_DOCS_URL": "https://docs.example.com/mcp",
            "MCP_SERVER_DOCS_HEADERS": '{"Authorization": "Bearer ${DOCS_TOKEN}"}',
            "MCP_SERVER_MY_TIME_COMMAND": "uvx",
            "MCP_SERVER_MY_TIME_ARGS": "mcp-server-time --local-timezone 'Etc/UTC'",
            "MCP_SERVER_MY_TIME_ENV_TZ": "UTC",
            "MCP_SERVER_MY_TIME_ENV_LANG": "C",
        }
    )
    docs, clock = found.servers
    assert not found.problems
    assert isinstance(docs.transport, Http)
    assert isinstance(clock.transport, Stdio)
    assert (docs.name, clock.name, clock.provenance.label) == ("docs", "my-time", "my-time")
    assert docs.transport.headers["Authorization"].text == "Bearer ${DOCS_TOKEN}"
    assert [argument.text for argument in clock.transport.args] == ["mcp-server-time", "--local-timezone", "Etc/UTC"]
    assert {name: value.text for name, value in clock.transport.env.items()} == {"TZ": "UTC", "LANG": "C"}


def test_arguments_may_be_json_and_headers_may_be_lines() -> None:
    found = read(
        {
            "MCP_SERVERS": "a,b",
            "MCP_SERVER_A_COMMAND": "x",
            "MCP_SERVER_A_ARGS": '["C:\\\\data", "two words", 3]',
            "MCP_SERVER_B_URL": "http://b.example.com",
            "MCP_SERVER_B_HEADERS": "X-One: 1\nX-Two: a:b\n",
        }
    )
    one, two = (server.transport for server in found.servers)
    assert isinstance(one, Stdio)
    assert isinstance(two, Http)
    assert [argument.text for argument in one.args] == ["C:\\data", "two words", "3"]
    assert {name: value.text for name, value in two.headers.items()} == {"X-One": "1", "X-Two": "a:b"}


@pytest.mark.parametrize(
    ("env", "field"),
    [
        ({}, "MCP_SERVER_A"),
        ({"MCP_SERVER_A_URL": "nonsense"}, "MCP_SERVER_A_URL"),
        ({"MCP_SERVER_A_COMMAND": "x", "MCP_SERVER_A_ARGS": "'hunter2"}, "MCP_SERVER_A_ARGS"),
        ({"MCP_SERVER_A_COMMAND": "x", "MCP_SERVER_A_ARGS": "[hunter2"}, "MCP_SERVER_A_ARGS"),
        ({"MCP_SERVER_A_URL": "http://a.example.com", "MCP_SERVER_A_HEADERS": "{hunter2"}, "MCP_SERVER_A_HEADERS"),
        ({"MCP_SERVER_A_URL": "http://a.example.com", "MCP_SERVER_A_HEADERS": "hunter2"}, "MCP_SERVER_A_HEADERS"),
        ({"MCP_SERVER_A_COMMAND": "x", "MCP_SERVER_A_URL": "http://a.example.com"}, "MCP_SERVER_A"),
    ],
)
def test_a_broken_one_is_named_and_the_others_are_served(env: dict[str, str], field: str) -> None:
    found = read({"MCP_SERVERS": "a,ok", "MCP_SERVER_OK_COMMAND": "true", **env})
    assert [server.name for server in found.servers] == ["ok"]
    [problem] = found.problems
    assert problem.field == field
    assert "hunter2" not in str(problem)
