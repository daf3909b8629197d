"""How `toolgate up` tells what happens: plain lines on a pipe, JSON lines for programs. `live` has the terminal's."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

import click

from toolgate.cli import banner
from toolgate.config.load import Loaded

__all__ = ["Announcer", "JsonLines", "PlainLines", "Silence"]

Report = Sequence[dict[str, Any]]


class Announcer(Protocol):
    """Called on the event loop, in this order; `servers` and `reloaded` any number of times."""

    def found(self, loaded: Loaded) -> None:
        """The configuration was read."""

    def listening(self, endpoint: str, *, needs_key: bool) -> None:
        """`endpoint` is the URL of /mcp."""

    def servers(self, report: Report) -> None:
        """A server's state or catalogue changed."""

    def settled(self, report: Report) -> None:
        """No server is starting any more, or it takes long."""

    def reloaded(self, loaded: Loaded) -> None:
        """Another configuration is served."""

    def notice(self, text: str) -> None:
        """Something that a person should know: a configuration that is not used."""

    def stopping(self, text: str) -> None:
        """The gateway ends."""

    def close(self) -> None:
        """Nothing more comes."""


class Silence:
    """Of workers for which another one speaks."""

    def found(self, loaded: Loaded) -> None: ...

    def listening(self, endpoint: str, *, needs_key: bool) -> None: ...

    def servers(self, report: Report) -> None: ...

    def settled(self, report: Report) -> None: ...

    def reloaded(self, loaded: Loaded) -> None: ...

    def notice(self, text: str) -> None: ...

    def stopping(self, text: str) -> None: ...

    def close(self) -> None: ...


class PlainLines:
    """One line a change."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None
        self._connect: list[str] = []
        self._said: dict[str, tuple[Any, ...]] = {}
        self._settled = False

    def found(self, loaded: Loaded) -> None:
        self._loaded = loaded
        _say([banner.found_line(loaded), *banner.problem_lines(loaded)])

    def listening(self, endpoint: str, *, needs_key: bool) -> None:
        self._connect = banner.connect_lines(endpoint, needs_key=needs_key)
        _say([f"listening on {endpoint}"])

    def servers(self, report: Report) -> None:
        for entry in report:
            known = (entry["state"], entry["reason"], entry["tools"], entry["prompts"], entry["resources"])
            if entry["state"] == "ready" and not any(known[2:]) and not self._settled:
                continue  # its lists are still being read
            if self._said.get(entry["name"]) != known:
                self._said[entry["name"]] = known
                if entry["state"] != "starting":
                    _say([banner.state_line(entry)])
        for gone in self._said.keys() - {entry["name"] for entry in report}:
            del self._said[gone]
            _say([f"{gone}: removed"])

    def settled(self, report: Report) -> None:
        self._settled = True
        self.servers(report)
        _say([banner.summary_line(report), *self._connect])
        if self._loaded is not None:
            _say(banner.next_lines(self._loaded))

    def reloaded(self, loaded: Loaded) -> None:
        _say([f"reloaded: {banner.found_line(loaded)}", *banner.problem_lines(loaded)])

    def notice(self, text: str) -> None:
        _say([f"! {text}"])

    def stopping(self, text: str) -> None:
        _say([text])

    def close(self) -> None:
        pass


class JsonLines:
    """One object a line; `event` says what it is."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, Any]] = {}

    def found(self, loaded: Loaded) -> None:
        _tell("found", **_facts(loaded))

    def listening(self, endpoint: str, *, needs_key: bool) -> None:
        _tell("listening", endpoint=endpoint, needs_key=needs_key)

    def servers(self, report: Report) -> None:
        for entry in report:
            if self._said.get(entry["name"]) != entry:
                self._said[entry["name"]] = entry
                _tell("server", server=entry)
        for gone in self._said.keys() - {entry["name"] for entry in report}:
            del self._said[gone]
            _tell("removed", name=gone)

    def settled(self, report: Report) -> None:
        self.servers(report)
        _tell("settled", servers={entry["name"]: entry["state"] for entry in report})

    def reloaded(self, loaded: Loaded) -> None:
        _tell("reloaded", **_facts(loaded))

    def notice(self, text: str) -> None:
        _tell("notice", text=text)

    def stopping(self, text: str) -> None:
        _tell("stopping", text=text)

    def close(self) -> None:
        pass


def _facts(loaded: Loaded) -> dict[str, Any]:
    return {
        "config": str(loaded.path) if loaded.path else None,
        "servers": [server.name for server in loaded.servers],
        "sources": {report.name: report.count for report in loaded.reports},
        "problems": [str(problem) for problem in loaded.problems],
    }


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _tell(event: str, **facts: Any) -> None:
    click.echo(json.dumps({"event": event, **facts}, ensure_ascii=False))
