"""One reading of everything; a document that cannot be used says file, line, field and reason."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolgate.config.load import Loaded, dotenv_path, find, load, read_document
from toolgate.errors import ConfigError
from toolgate.model.secretref import Template
from toolgate.model.server import Stdio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toolgate.yaml"


def read(path: Path | None, **env: str) -> Loaded:
    folder = path.parent if path else Path("/nowhere")
    return load(path, env={"XDG_CONFIG_HOME": "/nowhere/cfg", **env}, home=folder / "home", cwd=folder)


def refused(path: Path, text: str, **env: str) -> ConfigError:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path, **env)
    return caught.value


class TestFind:
    def test_what_is_asked_for_wins_even_when_it_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "toolgate.yaml").touch()
        env = {"TOOLGATE_CONFIG": "other.yaml"}
        assert find(Path("mine.yaml"), tmp_path, env) == tmp_path / "mine.yaml"
        assert find(None, tmp_path, env) == tmp_path / "other.yaml"

    def test_the_current_folder_comes_before_the_users_own(self, tmp_path: Path) -> None:
        env = {"XDG_CONFIG_HOME": str(tmp_path / "cfg")}
        assert find(None, tmp_path, env) is None
        user = tmp_path / "cfg/toolgate/toolgate.yaml"
        user.parent.mkdir(parents=True)
        user.touch()
        assert find(None, tmp_path, env) == user
        (tmp_path / "toolgate.yaml").touch()
        assert find(None, tmp_path, env) == tmp_path / "toolgate.yaml"

    def test_a_link_that_leads_nowhere_is_found_so_that_it_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "toolgate.yaml").symlink_to("missing")
        found = find(None, tmp_path, {})
        assert found == tmp_path / "toolgate.yaml"
        with pytest.raises(ConfigError, match="there is no such file"):
            read(found)


def test_without_a_document_the_defaults_and_the_sources_hold(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor/mcp.json").write_text('{"mcpServers": {"a": {"command": "x"}}}')
    loaded = load(None, env={}, home=tmp_path, cwd=tmp_path)
    assert [server.name for server in loaded.servers] == ["a"]
    assert (loaded.reports[0].name, loaded.reports[0].count) == ("cursor", 1)


def test_the_documents_servers_come_first_and_win(path: Path) -> None:
    (path.parent / "home/.cursor").mkdir(parents=True)
    (path.parent / "home/.cursor/mcp.json").write_text(
        '{"mcpServers": {"a": {"command": "theirs"}, "off": {"command": "x"}, "b": {"command": "y"}}}'
    )
    path.write_text(
        "version: 1\ntimeout: 7\nservers:\n  z: {command: z, cwd: work, timeout: 3}\n  a: {command: ours}\n"
        "  off: {disabled: true}\n"
    )
    loaded = read(path)
    assert [(server.name, server.timeout) for server in loaded.servers] == [("z", 3), ("a", 7), ("b", 7)]
    assert isinstance(loaded.servers[0].transport, Stdio)
    assert loaded.servers[0].transport.cwd == str(path.parent / "work")
    own, cursor = loaded.reports[:2]
    assert (own.name, own.count, [skipped.name for skipped in own.skipped]) == ("toolgate.yaml", 2, ["off"])
    assert [clash.name for clash in cursor.shadowed] == ["a"]
    assert [(skipped.name, skipped.reason) for skipped in cursor.skipped] == [("off", "turned off in toolgate.yaml")]


def test_what_goes_to_a_server_goes_as_it_is_written(path: Path) -> None:
    path.write_text("version: 1\nservers:\n  a:\n    command: x\n    args: [0123, 1.10, on]\n    env: {PIN: 007}\n")
    [server] = read(path).servers
    assert isinstance(server.transport, Stdio)
    assert [text.text for text in server.transport.args] == ["0123", "1.10", "on"]
    assert server.transport.env["PIN"].text == "007"


def test_reading_again_gives_equal_servers(path: Path) -> None:
    path.write_text("version: 1\nservers:\n  a: {command: x, env: {A: b}}\n")
    first = read(path)
    path.write_text("# a comment\nversion: 1\nservers: {a: {env: {A: b}, command: x}}\n")
    assert read(path).servers == first.servers


def test_all_that_may_change_is_watched(path: Path) -> None:
    path.write_text("version: 1\nsources: [cursor, {claude-code: {project: shop}}]\n")
    folder = path.parent
    assert read(path).watched == (
        path,
        Path("/nowhere/cfg/toolgate/toolgate.yaml"),
        folder / ".env",
        folder / "home/.cursor/mcp.json",
        folder / "home/.claude.json",
        folder / "shop/.mcp.json",
    )
    assert read(path.rename(folder / "mine.yaml")).watched[:2] == (folder / "mine.yaml", folder / ".env")
    assert dotenv_path(None, Path("/cwd")) == Path("/cwd/.env")


def test_references_resolve_from_the_environment_then_from_dotenv(path: Path) -> None:
    path.write_text("version: 1\n")
    (path.parent / ".env").write_text("A=file\nB=file\n")
    resolver = read(path, A="env").resolver
    assert asyncio.run(resolver.resolve(Template("${A} ${B}"))).reveal() == "env file"


class TestOverrides:
    def test_variables_override_single_settings(self, path: Path) -> None:
        path.write_text("version: 1\ntimeout: 5\nlimits: {request_bytes: 1MiB}\n")
        document = read(
            path,
            TOOLGATE_TIMEOUT="2.5",
            TOOLGATE_LISTEN="[::1]:0",
            TOOLGATE_LIMITS__RESPONSE_BYTES="2MiB",
            TOOLGATE_ACCESS__ANONYMOUS="never",
            TOOLGATE_ACCESS__ALLOWED_HOSTS="a.example.com, b.example.com",
            TOOLGATE_SOURCES="environment",
            TOOLGATE_DRAIN="",
        ).document
        assert (document.timeout, document.host, document.drain) == (2.5, "::1", 10)
        assert (document.limits.request_bytes, document.limits.response_bytes) == (2**20, 2**21)
        assert document.access.anonymous == "never"
        assert document.access.allowed_hosts == ("a.example.com", "b.example.com")
        assert [source.name for source in document.sources] == ["environment"]

    def test_a_bad_variable_is_named_instead_of_a_line(self, path: Path) -> None:
        error = refused(path, "version: 1\ntimeout: 5\n", TOOLGATE_TIMEOUT="soon")
        assert (error.file, error.line, error.field) == ("environment", 0, "TOOLGATE_TIMEOUT")
        assert error.reason == "should be a number"

    def test_a_variable_that_is_nearly_one_is_a_problem(self, path: Path) -> None:
        path.write_text("version: 1\n")
        problems = read(path, TOOLGATE_TIMEOUTS="3", TOOLGATE_STATE="/x", TOOLGATE_CONFIG="y").problems
        assert [str(problem) for problem in problems] == [
            "environment: TOOLGATE_TIMEOUTS: there is no such setting; did you mean TOOLGATE_TIMEOUT?"
        ]

    def test_they_hold_without_a_document_too(self) -> None:
        assert read_document(None, {"TOOLGATE_TIMEOUT": "3"}).timeout == 3
        with pytest.raises(ConfigError, match="environment: TOOLGATE_LISTEN"):
            read_document(None, {"TOOLGATE_LISTEN": "x"})


@pytest.mark.parametrize(
    ("text", "line", "field", "reason"),
    [
        ("", 0, "", "the file is empty"),
        ("# nothing\n", 0, "", "the file is empty"),
        ("- a\n", 1, "", "should be a mapping of settings"),
        ("timeout: 3\n", 1, "version", "is missing"),
        ("version: 2\n", 1, "version", "should be 1"),
        ("version: 1\n\ntimout: 3\n", 3, "timout", "there is no such setting; did you mean `timeout`?"),
        ("version: 1\nlisten: 8765\n", 2, "listen", "should be text"),
        ("version: 1\nservers: [a]\n", 2, "servers", "should be a mapping"),
        ("version: 1\nservers:\n  a:\n", 3, "servers.a", "should be a mapping"),
        ("version: 1\nservers:\n  a: {}\n", 3, "servers.a", "needs a `command` to start or a `url` to reach"),
        ("version: 1\nservers:\n  a:\n    comand: x\n", 4, "servers.a.comand", "did you mean `command`?"),
        ("version: 1\nservers:\n  a:\n    url: x\n", 4, "servers.a.url", "should be an http:// or https:// address"),
        ("version: 1\nservers:\n  a:\n    command: x\n    headers: {}\n", 3, "servers.a", "`headers` goes with `url`"),
        ("version: 1\nservers:\n  a:\n    command: x\n    args: -y\n", 5, "servers.a.args", "should be a list"),
        ("version: 1\nservers:\n  my server: {command: x}\n", 3, 'servers["my server"]', "the nearest is `my-server`"),
        ("version: 1\nsources:\n  - cursor\n  - cursr\n", 4, "sources[1]", "did you mean `cursor`?"),
        ("version: 1\nsources: [{vscode: {projct: .}}]\n", 2, "sources[0].projct", "did you mean `project`?"),
        ("version: 1\nsources: [{claude-desktop: {project: .}}]\n", 2, "sources[0]", "has no project files"),
        ("version: 1\naccess: {anonymous: always}\n", 2, "access.anonymous", "should be 'local' or 'never'"),
        ("version: 1\nvirtual_servers:\n  v:\n    tool: []\n", 4, "virtual_servers.v.tool", "did you mean `tools`?"),
        ("version: 1\nmcpServers: {}\n", 2, "mcpServers", "servers stand under `servers` here"),
        ("version: 1\nservers: {a: {command: x}, a: {command: y}}\n", 2, "servers.a", "`a` is written twice here"),
    ],
)  # fmt: skip
def test_a_bad_document_says_line_field_and_reason(path: Path, text: str, line: int, field: str, reason: str) -> None:
    error = refused(path, text)
    assert (error.file, error.line, error.field) == (str(path), line, field)
    assert reason in error.reason


def test_all_faults_are_told_at_once_in_the_order_of_the_lines(path: Path) -> None:
    error = refused(path, "version: 1\ntimeout: x\ndrain: y\n" + "".join(f"no{n}: 1\n" for n in range(20)))
    assert error.field == "timeout"
    told = error.hint.splitlines()
    assert told[:2] == ["also:", f"{path}:3: drain: should be a number"]
    assert told[-1] == "and 11 more"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "this is a folder, not a file"),
        (os.mkfifo, "this is not a regular file"),
        (lambda path: path.write_text("#" * (2**20 + 1)), "the file is larger than 1024 KiB"),
        (lambda path: path.write_bytes(b"version: 1\n\xff"), "the file is not UTF-8 text"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_is_no_document_is_refused(path: Path, make: Callable[[Path], Any], reason: str) -> None:
    make(path)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert caught.value.reason == reason


def test_errors_never_show_what_may_be_secret(path: Path) -> None:
    error = refused(
        path,
        "version: 1\ndatabase: mysql://u:hunter2@h/d\nservers:\n"
        "  a: {command: [hunter2]}\n  b: {url: 'hunter2 hunter2'}\n  c: {command: x, env: {A: [hunter2]}}\n",
    )
    assert "hunter2" not in f"{error} {error.hint} {error.data()}"


def test_fifty_servers_are_read_at_once(path: Path) -> None:
    entry = "    command: npx\n    args: [-y, server-{0}, /tmp]\n    env: {{A: '${{T}}', B: 1}}\n    timeout: 1.5\n"
    path.write_text("version: 1\nservers:\n" + "".join(f"  s{n}:\n{entry.format(n)}" for n in range(50)))

    def seconds() -> float:
        started = time.process_time()
        assert len(read(path).servers) == 50
        return time.process_time() - started

    assert min(seconds() for _ in range(5)) < 0.2  # 0.03 s where nothing else runs


def test_reading_the_configuration_loads_no_heavy_library() -> None:
    heavy = {"sqlalchemy", "aiohttp", "uvicorn", "mcp"}
    probe = f"import sys, toolgate.config.load; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
