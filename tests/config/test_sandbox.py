from pathlib import Path

import pytest

from toolgate.config.load import load
from toolgate.errors import ConfigError
from toolgate.model.profile import ANYWHERE, Mount, Profile, Wall


def profiles(folder: Path, text: str) -> dict[str, Profile]:
    file = folder / "toolgate.yaml"
    file.write_text(f"version: 1\nsources: []\n{text}")
    loaded = load(file, env={}, home=folder / "home", cwd=folder)
    return {server.name: server.profile for server in loaded.servers}


def test_without_a_word_the_defaults_hold(tmp_path: Path) -> None:
    assert profiles(tmp_path, "servers: {one: {command: cat}}") == {"one": Profile()}


def test_what_a_server_says_goes_before_what_is_said_of_all(tmp_path: Path) -> None:
    found = profiles(
        tmp_path,
        """
sandbox: {memory: 1GiB, tmp: 1MiB, network: ["*"]}
servers:
  one: {command: cat}
  two: {command: cat, sandbox: {memory: 2GiB, network: [], persistent: true, accept: [cpu]}}
""",
    )
    assert found["one"] == Profile(memory=2**30, tmp=2**20, network=(ANYWHERE,))
    assert found["two"] == Profile(memory=2**31, tmp=2**20, persistent=True, accept=frozenset({Wall.CPU}))


def test_mounts_are_relative_to_the_document(tmp_path: Path) -> None:
    text = "servers: {one: {command: cat, sandbox: {mounts: [notes, {path: ~/x, writable: true}]}}}"
    found = profiles(tmp_path, text)
    assert found["one"].mounts == (Mount(f"{tmp_path}/notes"), Mount(f"{tmp_path}/home/x", writable=True))


def test_servers_of_clients_have_the_documents_defaults(tmp_path: Path) -> None:
    client = tmp_path / "home/.cursor/mcp.json"
    client.parent.mkdir(parents=True)
    client.write_text('{"mcpServers": {"one": {"command": "cat"}, "two": {"url": "http://127.0.0.1:1/mcp"}}}')
    file = tmp_path / "toolgate.yaml"
    file.write_text("version: 1\nsources: [cursor]\nsandbox: {processes: 8}\n")
    loaded = load(file, env={}, home=tmp_path / "home", cwd=tmp_path)
    assert {server.name: server.profile for server in loaded.servers} == {"one": Profile(processes=8), "two": Profile()}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("network: [https://api.example.com/]", "network"),
        ("requires: [moat]", "should be"),
        ("runtime: chroot", "should be"),
        ("cpus: 0", "should be greater than 0"),
        ("memroy: 1", "did you mean `memory`"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        profiles(tmp_path, f"sandbox:\n  {line}\n")
    assert refused.value.line == 4


def test_a_url_has_no_sandbox(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`sandbox` goes with `command`"):
        profiles(tmp_path, "servers: {one: {url: 'https://example.com/mcp', sandbox: {memory: 1MiB}}}")
