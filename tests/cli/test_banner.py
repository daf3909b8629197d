from pathlib import Path
from typing import Any

from toolgate.cli import banner
from toolgate.config.load import Loaded, load


def entry(name: str, state: str = "ready", **more: Any) -> dict[str, Any]:
    counts = {"tools": 0, "prompts": 0, "resources": 0}
    return {"name": name, "state": state, "reason": "", "hint": "", "era": "modern", **counts, **more}


def loaded(folder: Path, document: str = "", cursor: str = "") -> Loaded:
    path = None
    if document:
        path = folder / "toolgate.yaml"
        path.write_text(document)
    if cursor:
        (folder / ".cursor").mkdir()
        (folder / ".cursor" / "mcp.json").write_text(cursor)
    return load(path, env={"XDG_CONFIG_HOME": str(folder)}, home=folder, cwd=folder)


DOCUMENT = "version: 1\nservers:\n  time: {command: uvx}\n  old: {command: uvx, disabled: true}\n"
CURSOR = '{"mcpServers": {"git": {"command": "uvx"}, "time": {"command": "other"}, "odd": {"args": ["x"]}}}'


def test_how_many_servers_from_where(tmp_path: Path) -> None:
    assert banner.found_line(loaded(tmp_path, DOCUMENT, CURSOR)) == "2 servers: 1 from toolgate.yaml, 1 from cursor"


def test_without_any_server_the_demonstration_is_announced(tmp_path: Path) -> None:
    empty = loaded(tmp_path)
    assert "demonstration" in banner.found_line(empty)
    assert any("servers add" in line for line in banner.next_lines(empty))
    assert "  toolgate call demo__echo text=hello" in banner.next_lines(empty)


def test_what_is_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    lines = banner.problem_lines(loaded(tmp_path, DOCUMENT, CURSOR))
    assert any(line.startswith("! ") and "mcp.json:1" in line and "odd" in line for line in lines)
    assert "- time of cursor is left out: toolgate.yaml has another server of that name" in lines
    assert "- old of toolgate.yaml is left out: disabled there" in lines


def test_a_server_is_told_in_one_line() -> None:
    ready = entry("time", tools=2, resources=1)
    assert banner.state_line(ready) == "time: ready, 2 tools, 1 resource (modern)"
    failing = entry("git", "failing", reason="git is not on PATH", hint="install git")
    assert banner.state_line(failing) == "git: failing: git is not on PATH (install git)"
    assert banner.state_line(entry("empty")) == "empty: ready, nothing offered (modern)"
    assert banner.state_line(entry("slow", "starting")) == "slow: starting"


def test_the_summary_counts_and_names() -> None:
    report = [entry("a", tools=3), entry("b", "failing"), entry("c", "starting")]
    assert banner.summary_line(report) == "1 of 3 servers ready, 3 tools; starting: c; failing: b"


def test_clients_are_connected_with_a_key_where_one_is_needed() -> None:
    assert banner.connect_lines("http://127.0.0.1:8765/mcp", needs_key=False) == [
        "connect a client:",
        "  Claude Code  claude mcp add --transport http toolgate http://127.0.0.1:8765/mcp",
        '  Cursor       {"mcpServers": {"toolgate": {"url": "http://127.0.0.1:8765/mcp"}}}',
    ]
    lines = banner.connect_lines("http://127.0.0.1:8765/mcp", needs_key=True)
    assert all("Authorization" in line for line in lines[1:])
