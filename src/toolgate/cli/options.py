"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["config_option", "json_option", "url_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """`--json`, also for errors; it reaches the command as `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, callback=_remember, is_eager=True, help="Answer in JSON, errors included."
    )(command)


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    ctx.find_root().ensure_object(dict)["json"] = value
    return value


def config_option(command: _Command) -> _Command:
    """`--config FILE`"""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The configuration, instead of ./toolgate.yaml or the user's.",
    )(command)


def url_option(command: _Command) -> _Command:
    """`--url URL` of the gateway to ask"""
    return click.option(
        "--url",
        envvar="TOOLGATE_URL",
        metavar="URL",
        help="The gateway to ask, instead of the one that runs here (TOOLGATE_URL; its key: TOOLGATE_KEY).",
    )(command)
