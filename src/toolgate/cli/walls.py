"""What servers can be run in on this machine, and what each of these enforces: `toolgate doctor` without a server."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from toolgate.cli.output import print_json, print_table
from toolgate.model.profile import Wall

if TYPE_CHECKING:
    from toolgate.runtime.protections import Protections

__all__ = ["show_walls"]

_COLOURS: Final = {"enforced": "green", "partial": "yellow", "absent": "red"}


def show_walls(state: Path, *, as_json: bool) -> None:
    """`state` is the gateway's folder. Every wall of every runtime is tried, which takes some seconds."""
    found = asyncio.run(_tried(state))
    if as_json:
        print_json({"runtimes": {name: _listed(protections) for name, protections in found.items()}})
        return
    rows = [[wall.value, *(_grade(protections, wall) for protections in found.values())] for wall in Wall]
    print_table(["", *found], rows)
    for name, protections in found.items():
        for reason, walls in _reasons(protections).items():
            click.echo(f"{name}: {', '.join(walls)}: {reason}")


async def _tried(state: Path) -> "dict[str, Protections]":
    from toolgate.runtime.local import local_runtimes  # noqa: PLC0415  # all that servers are run with

    runtimes = local_runtimes(state)
    try:
        return {name: await runtimes.protections(name) for name in runtimes.names}
    finally:
        await runtimes.close()


def _listed(protections: "Protections") -> dict[str, dict[str, str]]:
    return {wall.value: {"grade": protections[wall].grade.value, "reason": protections[wall].reason} for wall in Wall}


def _grade(protections: "Protections", wall: Wall) -> str:
    grade = protections[wall].grade.value
    return click.style(grade, fg=_COLOURS[grade])


def _reasons(protections: "Protections") -> Mapping[str, list[str]]:
    """By the reason, since all walls of what does not work here have the same."""
    found: dict[str, list[str]] = {}
    for wall in Wall:
        if reason := protections[wall].reason:
            found.setdefault(reason, []).append(wall.value)
    return found
