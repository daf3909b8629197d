"""Files as four clients write them, read as this person's servers."""

import os
from pathlib import Path
from typing import Any

import pytest

from toolgate.config.model import Document, SourceEntry
from toolgate.model.server import Http, Server, Stdio
from toolgate.sources.base import Found
from toolgate.sources.client_files import ClientFiles
from toolgate.sources.clients import CLIENTS, user_file
from toolgate.sources.entry import Place
from toolgate.sources.gather import Gathered, gather
from toolgate.sources.variables import Variables

FIXTURES = Path(__file__).parent / "fixtures"
HOME = FIXTURES / "linux"
EDITORS = ("cursor", "claude-desktop", "claude-code", "vscode")


def gathered(home: Path, *sources: Any, platform: str = "linux", cwd: Path = Path("/srv/shop")) -> Gathered:
    document = Document.model_validate({"version": 1, "sources": list(sources or EDITORS)})
    return gather(document, None, env={}, home=home, cwd=cwd, platform=platform)


def shown(server: Server) -> dict[str, Any]:
    """A definition as plain data, with the text of its templates."""
    transport = server.transport
    if isinstance(transport, Http):
        return {"url": transport.url.text, "headers": {name: text.text for name, text in transport.headers.items()}}
    assert isinstance(transport, Stdio)
    plain: dict[str, Any] = {"command": transport.command.text, "args": [text.text for text in transport.args]}
    if transport.env:
        plain["env"] = {name: text.text for name, text in transport.env.items()}
    return plain | ({"cwd": transport.cwd} if transport.cwd else {})


def one_file(path: Path, client: str = "cursor") -> Found:
    place = Place(client, str(path), path.parent, Variables(path.parent), 30)
    return ClientFiles(CLIENTS[client], path, place, path.parent).read()


def test_all_four_clients_of_a_person_are_read() -> None:
    found = gathered(HOME)
    assert {server.name: shown(server) for server in found.servers} == {
        "filesystem": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", f"{HOME}/notes"],
        },
        "GitHub-work": {
            "command": "docker",
            "args": ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server"],
            "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "${GITHUB_TOKEN}"},
        },
        "linear": {
            "url": "https://mcp.linear.app/mcp",
            "headers": {"Authorization": "Bearer ${LINEAR_API_KEY}"},
        },
        "memory": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-memory"],
            "env": {"MEMORY_FILE_PATH": "/srv/memory.json"},
        },
        "shop-db": {"command": "uvx", "args": ["mcp-server-sqlite", "--db-path", "/srv/shop/dev.db"]},
        "sentry": {
            "url": "${SENTRY_URL:-https://mcp.sentry.dev}/mcp",
            "headers": {"Authorization": "Bearer ${SENTRY_TOKEN}"},
        },
        "Perplexity": {
            "command": "npx",
            "args": ["-y", "server-perplexity-ask"],
            "env": {"PERPLEXITY_API_KEY": "${input:perplexity-key}", "RETRIES": "3", "VERBOSE": "false"},
        },
        "microsoft-docs-mcp": {"url": "https://learn.microsoft.com/api/mcp", "headers": {}},
        "playwright": {"command": "npx", "args": ["@playwright/mcp@latest"]},
        "old-events": {"url": "https://events.example.com/sse", "headers": {}},
        "asana": {"url": "https://mcp.asana.com/sse", "headers": {}},
    }


def test_every_server_knows_where_it_was_found_and_what_it_is_called_there() -> None:
    by_name = {server.name: server.provenance for server in gathered(HOME).servers}
    github = by_name["GitHub-work"]
    assert (github.source, github.file, github.label) == ("cursor", f"{HOME}/.cursor/mcp.json", "GitHub (work)")
    assert by_name["shop-db"].source == "claude-code"


def test_what_is_left_out_is_reported_with_the_reason() -> None:
    skipped = {entry.name: entry.reason for report in gathered(HOME).reports for entry in report.skipped}
    assert skipped == {
        "postgres": "disabled there",
        "docs-of-project": "${workspaceFolder} is known only inside a project",
        "toolgate": "this is Toolgate itself",
        "gateway": "this is Toolgate itself",
        "picker": "${command:python.interpreterPath} is known only to the editor",
    }


def test_duplicates_across_files_are_reported_as_same_or_different() -> None:
    shadowed = [(report.name, clash) for report in gathered(HOME).reports for clash in report.shadowed]
    assert [(name, clash.name, clash.by, clash.identical) for name, clash in shadowed] == [
        ("claude-desktop", "filesystem", "cursor", False),
        ("claude-code", "memory", "claude-desktop", True),
    ]


def test_what_a_client_does_and_we_do_not_is_a_problem_with_its_line() -> None:
    [problem] = gathered(HOME).problems
    assert (problem.line, problem.field) == (21, "playwright.envFile")


def test_servers_of_other_folders_stay_there() -> None:
    names = {server.name for server in gathered(HOME, cwd=Path("/elsewhere")).servers}
    assert not names & {"shop-db", "not-here"}


def test_a_windows_machine_is_read_as_it_is() -> None:
    home = FIXTURES / "windows"
    found = gathered(home, platform="win32", cwd=Path("C:/code/shop"))
    assert {server.name: shown(server) for server in found.servers} == {
        "filesystem": {
            "command": "C:\\Program Files\\nodejs\\npx.cmd",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", "C:\\Users\\dev\\Documents", "\\\\nas\\share"],
        },
        "time": {
            "command": "cmd",
            "args": ["/c", "npx", "-y", "time-mcp"],
            "env": {"ROOT": f"{home}\\data", "PF": "${environment:ProgramFiles(x86)}"},
            "cwd": "D:\\work",
        },
        "everything": {"command": "npx.cmd", "args": ["-y", "@modelcontextprotocol/server-everything"]},
        "shop": {"command": "C:/code/shop/.venv/Scripts/python.exe", "args": ["-m", "shop.mcp"]},
    }
    assert found.problems == ()


def test_a_mac_keeps_its_files_elsewhere() -> None:
    found = gathered(FIXTURES / "macos", platform="darwin")
    assert [server.name for server in found.servers] == ["weather", "figma"]


def test_settings_folders_that_were_moved_are_found() -> None:
    home = Path("/home/dev")
    env = {"XDG_CONFIG_HOME": "/cfg", "CLAUDE_CONFIG_DIR": "/claude", "APPDATA": "/roaming"}
    files = {name: user_file(client, env, home, "linux").as_posix() for name, client in CLIENTS.items()}
    assert files == {
        "cursor": "/home/dev/.cursor/mcp.json",
        "claude-desktop": "/cfg/Claude/claude_desktop_config.json",
        "claude-code": "/claude/.claude.json",
        "vscode": "/cfg/Code/User/mcp.json",
    }
    assert user_file(CLIENTS["vscode"], env, home, "win32").as_posix() == "/roaming/Code/User/mcp.json"


def test_a_projects_files_are_read_only_on_request() -> None:
    project = FIXTURES / "project"
    unasked = gathered(FIXTURES / "nobody", cwd=project)
    assert unasked.servers == ()
    asked = gathered(HOME, *({name: {"project": str(project)}} for name in ("cursor", "claude-code", "vscode")))
    servers = {server.name: server for server in asked.servers}
    assert shown(servers["lint"])["args"] == [f"{project}/lint.js", "project"]
    assert shown(servers["build"])["cwd"] == str(project)
    assert shown(servers["deploy"]) == {"command": "./scripts/mcp.sh", "args": [], "cwd": f"{project}/scripts"}
    assert shown(servers["sentry"])["command"] == "curl", "a project's definition wins over the user's, as there"


def test_files_that_are_not_there_are_watched_and_no_problem(tmp_path: Path) -> None:
    found = gathered(tmp_path)
    assert (found.servers, found.problems) == ((), ())
    assert tmp_path / ".cursor/mcp.json" in found.files
    assert all(report.files == () for report in found.reports)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("cut-short.json", 4, "not valid JSON"),
        ("comment.json", 3, "a comment is not closed"),
        ("list.json", 1, "should be an object"),
        ("servers-list.json", 2, "should be an object"),
        ("latin1.json", 3, "the file is not UTF-8 text"),
    ],
)
def test_a_broken_file_is_one_clear_problem(name: str, line: int, reason: str) -> None:
    found = one_file(FIXTURES / "broken" / name)
    [problem] = found.problems
    assert found.servers == ()
    assert (problem.file, problem.line) == (str(FIXTURES / "broken" / name), line)
    assert reason in problem.reason


def test_a_broken_entry_leaves_the_others_served() -> None:
    found = one_file(FIXTURES / "broken" / "entries.json")
    assert [server.name for server in found.servers] == ["good", "twice", "also-good"]
    assert [(problem.line, problem.field, problem.reason) for problem in found.problems] == [
        (4, "text", "should be an object"),
        (5, "nothing", "has neither a `command` nor a `url`"),
        (6, "both", "has both a `command` and a `url`"),
        (9, "args.args", "should be a list"),
        (13, "env.env.NESTED", "should be text"),
        (15, "address.url", "should be an http:// or https:// address"),
        (16, "kind.type", "should be stdio, http or sse"),
        (18, "twice", "is written twice; the last one is used"),
        (19, "half.url", "is missing"),
        (20, "nul.command", "has a character that no process can be given"),
    ]
    assert "hunter2" not in repr(found)


def test_the_rest_is_served_when_one_client_has_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor/mcp.json").write_text('{"mcpServers": {')
    (tmp_path / ".claude.json").write_text('{"mcpServers": {"ok": {"command": "true"}}}')
    found = gathered(tmp_path)
    assert [server.name for server in found.servers] == ["ok"]
    assert [problem.file for problem in found.problems] == [str(tmp_path / ".cursor/mcp.json")]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**20 + 1)


def deep(path: Path) -> None:
    path.write_text('{"mcpServers": ' + "[" * 200_000)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (fifo, "not a regular file"),
        (loop, "Too many levels of symbolic links"),
        (Path.mkdir, "a folder, not a file"),
        (huge, "larger than 10240 KiB"),
        (deep, "nested too deeply"),
    ],
)
def test_what_only_looks_like_a_file_is_a_problem_and_no_hang(tmp_path: Path, make: Any, reason: str) -> None:
    path = tmp_path / "mcp.json"
    make(path)
    [problem] = one_file(path).problems
    assert reason in problem.reason


def test_a_file_behind_something_that_is_no_folder_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert one_file(tmp_path / "x" / "mcp.json").problems == ()


def test_a_server_with_an_odd_shape_of_type_is_still_understood(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {"transport": "streamableHttp", "url": "http://a.example.com"}}}')
    [server] = one_file(path).servers
    assert isinstance(server.transport, Http)


def test_a_relative_folder_is_made_absolute(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {"command": "x", "cwd": "~/w"}, "b": {"command": "x", "cwd": "${W}/w"}}}')
    one, two = (server.transport for server in one_file(path).servers)
    assert isinstance(one, Stdio)
    assert isinstance(two, Stdio)
    assert (one.cwd, two.cwd) == (f"{tmp_path}/w", "${W}/w")


def test_every_client_can_be_named_as_a_source() -> None:
    assert [SourceEntry.model_validate(name).name for name in CLIENTS] == list(CLIENTS)
