from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toolgate.config.model import Document
from toolgate.model.connection import Connection, is_connection_name
from toolgate.model.names import is_server_name
from toolgate.model.server import Http, Stdio
from toolgate.sources.connections import SOURCE, ConnectionServers

HOME = Path("/home/me")
DOCUMENT = Document.model_validate(
    {"version": 1, "timeout": 7, "sandbox": {"mounts": ["/srv/ours"], "network": ["example.com"]}}
)


def made(owner: str, definition: dict[str, Any], name: str = "it") -> Connection:
    return Connection(name, owner, name, "", name, definition, 1.0, "x", 1.0, "x")


def test_a_definition_becomes_a_server_of_its_owner() -> None:
    definition = {"command": "x", "args": ["--key", "${vault:a@1}"], "env": {"A": "${vault:b@2}", "B": "${vault:-c}"}}
    [server] = ConnectionServers([made("user:alice", definition)], HOME, DOCUMENT).read().servers
    assert (server.owner, server.provenance.source, server.provenance.label) == ("user:alice", SOURCE, "it")
    assert (server.timeout, server.name != "it") == (7, True)
    assert isinstance(server.transport, Stdio)
    assert [arg.text for arg in server.transport.args] == ["--key", "${vault:~user:alice/a@1}"]
    assert {name: text.text for name, text in server.transport.env.items()} == {
        "A": "${vault:~user:alice/b@2}",
        "B": "${vault:-c}",
    }


def test_what_is_everybodys_keeps_its_name_and_its_references() -> None:
    [server] = ConnectionServers([made("", {"url": "${vault:address}"})], HOME, DOCUMENT).read().servers
    assert isinstance(server.transport, Http)
    assert (server.name, server.owner, server.transport.url.text) == ("it", "", "${vault:address}")


def test_what_the_operator_shows_its_own_servers_is_not_shown_to_those_of_others() -> None:
    connections = [made("", {"command": "x"}, "a"), made("user:alice", {"command": "x"}, "b")]
    ours, hers = ConnectionServers(connections, HOME, DOCUMENT).read().servers
    assert [mount.path for mount in ours.profile.mounts] == ["/srv/ours"]
    assert hers.profile.mounts == ()
    assert hers.profile.network == ("example.com",)


def test_a_definition_that_is_not_understood_is_a_problem_and_the_others_are_served() -> None:
    connections = [made("", {"gone": "s3cr3t"}, "a"), made("", {"command": "x"}, "b")]
    found = ConnectionServers(connections, HOME, DOCUMENT).read()
    assert [server.name for server in found.servers] == ["b"]
    [problem] = found.problems
    assert "s3cr3t" not in str(problem)


@pytest.mark.parametrize("name", ["a", "a" * 32, "a_b-c", "A1"])
def test_no_two_owners_have_a_server_of_one_name(name: str) -> None:
    assert is_connection_name(name)
    owners = ["", "user:alice", "user:bob", "team:alice"]
    names = {made(owner, {}, name).server for owner in owners}
    assert len(names) == len(owners)
    assert all(is_server_name(one) for one in names)
    assert made("user:alice", {}, name).server == replace(made("user:alice", {}, name), id="other").server


@pytest.mark.parametrize("name", ["", "a" * 33, "a__b", "-a", "a-", "a_", "a b", "a.b", "ä"])
def test_names_that_no_server_could_have_are_none(name: str) -> None:
    assert not is_connection_name(name)
