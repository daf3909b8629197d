import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.cli.test_banner import DOCUMENT, entry, loaded
from toolgate.cli.announce import Announcer, JsonLines, PlainLines
from toolgate.cli.live import LiveLines


def play(announcer: Announcer, folder: Path) -> None:
    """A start with two servers, one of which fails, and a later recovery."""
    announcer.found(loaded(folder, DOCUMENT))
    announcer.listening("http://127.0.0.1:8765/mcp", needs_key=False)
    announcer.servers([entry("time", "starting"), entry("git", "starting")])
    announcer.servers([entry("time", tools=2), entry("git", "starting")])
    failing = entry("git", "failing", reason="it is not there", hint="install it")
    announcer.servers([entry("time", tools=2), failing])
    announcer.settled([entry("time", tools=2), failing])
    announcer.servers([entry("time", tools=2), entry("git", tools=5)])
    announcer.stopping("stopping")
    announcer.close()


def test_a_pipe_gets_one_line_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainLines(), tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "1 server: 1 from toolgate.yaml",
        "- old of toolgate.yaml is left out: disabled there",
        "listening on http://127.0.0.1:8765/mcp",
        "time: ready, 2 tools (modern)",
        "git: failing: it is not there (install it)",
        "1 of 2 servers ready, 2 tools; failing: git",
        "connect a client:",
        "  Claude Code  claude mcp add --transport http toolgate http://127.0.0.1:8765/mcp",
        '  Cursor       {"mcpServers": {"toolgate": {"url": "http://127.0.0.1:8765/mcp"}}}',
        "next, in another terminal:",
        "  toolgate status",
        "  toolgate tools",
        "  toolgate call TOOL key=value",
        "git: ready, 5 tools (modern)",
        "stopping",
    ]


def test_a_program_gets_one_object_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(JsonLines(), tmp_path)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [
        *("found", "listening", "server", "server", "server", "server", "settled", "server", "stopping"),
    ]
    assert events[0]["sources"]["toolgate.yaml"] == 1
    assert events[6]["servers"] == {"time": "ready", "git": "failing"}


def test_a_terminal_shows_who_is_starting_and_keeps_the_result(tmp_path: Path) -> None:
    screen = io.StringIO()
    play(LiveLines(Console(file=screen, force_terminal=True, width=100, color_system=None)), tmp_path)
    text = screen.getvalue()
    assert "starting time, git" in text
    assert "1/2 servers, starting git" in text
    kept = text[text.rindex("✗") :]
    assert kept.startswith("✗ git: failing: it is not there (install it)")
    assert "1 of 2 servers ready" in kept
    assert "✓ git: ready, 5 tools" in kept
    assert "Ctrl-C stops it." in kept
