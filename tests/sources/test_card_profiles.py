from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from toolgate.config.model import ServerEntry
from toolgate.model.profile import Mount, Profile
from toolgate.model.secretref import Template
from toolgate.model.server import Stdio
from toolgate.sources.card_profiles import profile_for, widened
from toolgate.sources.document import DocumentServers
from toolgate.sources.entry import Place, read_entry
from toolgate.sources.packages import started
from toolgate.sources.variables import Variables


@pytest.mark.parametrize(
    ("command", "name", "rest"),
    [
        ("npx -y @scope/server@1.2.3 --flag /a", "@scope/server", ("--flag", "/a")),
        ("npx.cmd server", "server", ()),
        ("/usr/local/bin/npx --yes server@latest", "server", ()),
        ("npx -p @scope/server program x", "@scope/server", ("x",)),
        ("npx --package=@scope/server@2 program", "@scope/server", ()),
        ("npm exec -- server x", "server", ("x",)),
        ("pnpm dlx server", "server", ()),
        ("bunx server", "server", ()),
        ("uvx mcp_Server.Time==1", "mcp-server-time", ()),
        ("uvx --python 3.12 --with mcp<2 server@1 x", "server", ("x",)),
        ("uvx -p 3.12 server", "server", ()),
        ("uvx --from server[extra]>=1 program x", "server", ("x",)),
        ("uv tool run server", "server", ()),
        ("pipx run --spec server==1 program", "server", ()),
        ("docker run -i --rm -e KEY -v /a:/b --name=x ghcr.io/a/server:1 x", "ghcr.io/a/server", ("x",)),
        ("podman run a/server@sha256:0123", "a/server", ()),
    ],
)
def test_the_package_is_read_from_the_words(command: str, name: str, rest: Sequence[str]) -> None:
    program, *args = command.split()
    found = started(program, args)
    assert found is not None
    assert (found.name, found.args) == (name, tuple(rest))


@pytest.mark.parametrize(
    "command", ["node server.js", "npx", "npx -y", "uvx --from", "docker run -i", "docker ps", "python -m x"]
)
def test_words_that_do_not_tell_are_no_package(command: str) -> None:
    program, *args = command.split()
    assert started(program, args) is None


@pytest.mark.parametrize(
    ("command", "env", "profile"),
    [
        (
            "npx -y @modelcontextprotocol/server-filesystem@2025.1.1 /a /b relative",
            {},
            {"mounts": [{"path": "/a", "writable": True}, {"path": "/b", "writable": True}]},
        ),
        ("uvx mcp-server-git --repository /r", {}, {"mounts": [{"path": "/r", "writable": True}]}),
        ("uvx mcp-server-git", {}, {"mounts": []}),
        ("npx @modelcontextprotocol/server-github", {}, {"network": ["api.github.com"]}),
        ("uvx mcp-server-fetch", {}, {"network": ["*"]}),
        (
            "uvx mcp-atlassian",
            {"JIRA_URL": "https://jira.example.com:8443/x", "CONFLUENCE_URL": "${WIKI}"},
            {"network": ["api.atlassian.com", "jira.example.com:8443"]},
        ),
        ("npx unheard-of", {}, None),
    ],
)
def test_a_profile_follows_what_is_written(command: str, env: Mapping[str, str], profile: Any) -> None:
    program, *args = command.split()
    assert profile_for(program, args, env) == profile


def test_a_profile_is_widened_and_never_narrowed() -> None:
    before = Profile(network=("proxy.example.com",), memory=4 * 2**30, mounts=(Mount("/shared"),))
    browser = Stdio(Template("npx"), (Template("@playwright/mcp"),))
    after = widened(before, browser)
    assert after.network == ("proxy.example.com", "*")
    assert (after.memory, after.mounts, after.processes) == (4 * 2**30, (Mount("/shared"),), 512)


def test_what_no_card_knows_keeps_its_profile() -> None:
    before = Profile()
    assert widened(before, Stdio(Template("node"), (Template("server.js"),))) is before


ENTRY = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "/docs"]}


def test_a_server_in_a_clients_file_gets_the_profile_of_its_card(tmp_path: Path) -> None:
    place = Place("cursor", "mcp.json", tmp_path, Variables(tmp_path), 30.0, Profile(network=("proxy.example.com",)))
    assert read_entry("files", ENTRY, place).profile == Profile(
        network=("proxy.example.com",), mounts=(Mount("/docs", writable=True),)
    )
    assert read_entry("docs", {"url": "https://example.com/mcp"}, place).profile == Profile()


def test_what_the_document_says_of_a_server_is_not_widened(tmp_path: Path) -> None:
    entries = {
        "files": ServerEntry.model_validate(ENTRY),
        "bare": ServerEntry.model_validate({**ENTRY, "sandbox": {"memory": "256MiB"}}),
    }
    found = DocumentServers(entries, tmp_path / "toolgate.yaml", tmp_path, 30.0, widen=True).read()
    profiles = {server.name: server.profile for server in found.servers}
    assert profiles["files"].mounts == (Mount("/docs", writable=True),)
    assert profiles["bare"].mounts == ()


def test_what_others_install_is_not_widened_by_its_words(tmp_path: Path) -> None:
    """A card's mounts follow the arguments, and these are not the operator's."""
    found = DocumentServers({"files": ServerEntry.model_validate(ENTRY)}, tmp_path / "x", tmp_path, 30.0).read()
    assert found.servers[0].profile.mounts == ()
