"""What commands print: tables for people, JSON for programs. Colours only where somebody looks."""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

__all__ = ["print_json", "print_note", "print_table", "styled_state"]

_COLOURS: Final = {"ready": "green", "starting": "yellow", "failing": "red", "idle": "cyan", "stopped": "bright_black"}


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_note(text: str) -> None:
    """About the answer, and not part of it: on standard error."""
    click.echo(text, err=True)


def styled_state(state: str) -> str:
    return click.style(state, fg=_COLOURS.get(state))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """On a terminal with `rich`; elsewhere in plain columns, each as wide as its widest cell."""
    if sys.stdout.isatty():
        _print_rich(head, rows)
        return
    clean = [[click.unstyle(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(head, *clean, strict=True)]
    for row in [list(head), *clean]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_rich(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415  # 130 ms
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text.from_ansi(cell) for cell in row))
    Console().print(table)
