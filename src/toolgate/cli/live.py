"""`toolgate up` on a terminal: the servers that are starting, until none is; then lines that stay."""

import sys
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from toolgate import __version__
from toolgate.cli import banner
from toolgate.config.load import Loaded

__all__ = ["LiveLines"]

Report = Sequence[dict[str, Any]]

_NAMES: Final = 6  # servers named while they start
_MARKS: Final = {
    "ready": "[green]✓[/]", "idle": "[cyan]✓[/]", "failing": "[red]✗[/]", "starting": "[yellow]…[/]",
    "stopped": "[dim]-[/]",
}  # fmt: skip


class LiveLines:
    """An `Announcer`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._loaded: Loaded | None = None
        self._connect: list[str] = []
        self._states: dict[str, str] = {}

    def found(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._console.print(f"[bold]toolgate[/] {__version__}  {escape(banner.found_line(loaded))}")
        self._problems(loaded)

    def _problems(self, loaded: Loaded) -> None:
        for line in banner.problem_lines(loaded):
            self._console.print(escape(line), style="yellow" if line.startswith("!") else "dim", soft_wrap=True)

    def listening(self, endpoint: str, *, needs_key: bool) -> None:
        self._connect = banner.connect_lines(endpoint, needs_key=needs_key)
        self._console.print(f"listening on [bold cyan]{escape(endpoint)}[/]", soft_wrap=True)
        shared = sys.stderr.isatty()
        self._live = Live(console=self._console, transient=True, refresh_per_second=8, redirect_stderr=shared)
        self._live.start()

    def servers(self, report: Report) -> None:
        if self._live is not None:
            self._live.update(_starting(report), refresh=True)
            return
        for entry in report:
            if self._states.get(entry["name"]) != entry["state"]:
                self._line(entry)
        self._states = {entry["name"]: entry["state"] for entry in report}

    def settled(self, report: Report) -> None:
        self.close()
        for entry in report:
            self._line(entry)
        self._states = {entry["name"]: entry["state"] for entry in report}
        lines = [banner.summary_line(report), *self._connect]
        if self._loaded is not None:
            lines += banner.next_lines(self._loaded)
        for line in [*lines, "Ctrl-C stops it."]:
            self._console.print(escape(line), soft_wrap=True)

    def _line(self, entry: dict[str, Any]) -> None:
        self._console.print(f"{_MARKS.get(entry['state'], ' ')} {escape(banner.state_line(entry))}", soft_wrap=True)

    def reloaded(self, loaded: Loaded) -> None:
        self._console.print(escape(f"reloaded: {banner.found_line(loaded)}"))
        self._problems(loaded)

    def notice(self, text: str) -> None:
        self._console.print(escape(text), style="yellow", soft_wrap=True)

    def stopping(self, text: str) -> None:
        self.close()
        self._console.print(escape(text))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _starting(report: Report) -> Group:
    names = [str(entry["name"]) for entry in report if entry["state"] == "starting"]
    settled = len(report) - len(names)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    text = f" {settled}/{len(report)} servers"
    if names:
        text += f", starting {', '.join(names[:_NAMES])}{more}"
    return Group(Spinner("dots", Text(text)))
