"""What `toolgate up` says: lines out of facts, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from toolgate.config.load import Loaded
from toolgate.sources.base import SourceReport

__all__ = ["connect_lines", "found_line", "next_lines", "problem_lines", "state_line", "summary_line"]

Entry = Mapping[str, Any]


def found_line(loaded: Loaded) -> str:
    """`3 servers: 2 from cursor, 1 from toolgate.yaml`"""
    if not loaded.servers:
        return "no servers are configured yet, so the demonstration server is served"
    parts = [f"{report.count} from {report.name}" for report in loaded.reports if report.count]
    return f"{_count(len(loaded.servers), 'server')}: {', '.join(parts)}"


def problem_lines(loaded: Loaded) -> list[str]:
    """What was found and is not served: mistakes first, then what another source has already."""
    lines = [f"! {problem}" for problem in loaded.problems]
    for report in loaded.reports:
        lines += [f"- {line}" for line in _left_out(report)]
    return lines


def _left_out(report: SourceReport) -> list[str]:
    taken = [
        f"{other.name} of {report.name} is left out: {other.by} has another server of that name"
        for other in report.shadowed
        if not other.identical
    ]
    return taken + [f"{other.name} of {report.name} is left out: {other.reason}" for other in report.skipped]


def state_line(entry: Entry) -> str:
    """`time: ready, 2 tools (modern)` or `git: failing: why (what to do)`"""
    line = f"{entry['name']}: {entry['state']}"
    if entry["state"] in {"ready", "idle"}:
        era = f" ({entry['era']})" if entry.get("era") else ""
        return f"{line}, {_offers(entry)}{era}"
    reason, hint = entry.get("reason") or "", entry.get("hint") or ""
    if hint.startswith(reason):  # it says both
        reason, hint = hint, ""
    line += f": {reason}" if reason else ""
    return f"{line} ({hint})" if hint else line


def summary_line(report: Sequence[Entry]) -> str:
    """`2 of 3 servers ready, 25 tools; starting: git`"""
    ready = [entry for entry in report if entry["state"] == "ready"]
    tools = sum(entry["tools"] for entry in report)
    line = f"{len(ready)} of {_count(len(report), 'server')} ready, {_count(tools, 'tool')}"
    for state in ("idle", "starting", "failing", "stopped"):
        if names := [str(entry["name"]) for entry in report if entry["state"] == state]:
            line += f"; {state}: {', '.join(names)}"
    return line


def connect_lines(endpoint: str, *, needs_key: bool) -> list[str]:
    """How two clients are connected; the others want the same URL."""
    header = ' --header "Authorization: Bearer tg_…"' if needs_key else ""
    server: dict[str, Any] = {"url": endpoint}
    if needs_key:
        server["headers"] = {"Authorization": "Bearer tg_…"}
    document = json.dumps({"mcpServers": {"toolgate": server}}, ensure_ascii=False)
    return [
        "connect a client:",
        f"  Claude Code  claude mcp add --transport http toolgate {endpoint}{header}",
        f"  Cursor       {document}",
    ]


def next_lines(loaded: Loaded) -> list[str]:
    """What to type next."""
    if not loaded.servers:
        return [
            "next, in another terminal:",
            "  toolgate call demo__echo text=hello",
            "  toolgate servers add time -- uvx mcp-server-time    (your first server; it is picked up at once)",
        ]
    return ["next, in another terminal:", "  toolgate status", "  toolgate tools", "  toolgate call TOOL key=value"]


def _offers(entry: Entry) -> str:
    kinds = (("tools", "tool"), ("prompts", "prompt"), ("resources", "resource"))
    parts = [_count(entry[kind], noun) for kind, noun in kinds if entry[kind]]
    return ", ".join(parts) or "nothing offered"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
