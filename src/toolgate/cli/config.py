"""`toolgate config`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from toolgate.cli import banner
from toolgate.cli.options import config_option, json_option
from toolgate.cli.output import print_json
from toolgate.cli.settings import Settings
from toolgate.config.load import Loaded
from toolgate.config.load import schema as document_schema

__all__ = ["config"]


@click.group(epilog="Example:  toolgate config check")
def config() -> None:
    """Check and show the configuration."""


@config.command(
    epilog="Example:  toolgate config check --config ./toolgate.yaml\n\nEnds with 4 where the document is invalid, and "
    "with 0 where only single servers were left out."
)
@config_option
@json_option
def check(config: Path | None, as_json: bool) -> None:
    """Read everything as `toolgate up` would, and say what is wrong with it."""
    loaded = Settings(config).read()
    if as_json:
        print_json(_facts(loaded))
        return
    click.echo(f"{loaded.path}: valid" if loaded.path else "no toolgate.yaml: defaults are used")
    for line in [banner.found_line(loaded), *banner.problem_lines(loaded)]:
        click.echo(line)


def _facts(loaded: Loaded) -> dict[str, object]:
    return {
        "path": str(loaded.path) if loaded.path else None,
        "servers": [server.name for server in loaded.servers],
        "sources": [
            {"name": report.name, "files": _texts(report.files), "servers": report.count} for report in loaded.reports
        ],
        "problems": [
            {"file": problem.file, "line": problem.line, "field": problem.field, "reason": problem.reason}
            for problem in loaded.problems
        ],
    }


def _texts(files: Sequence[Path]) -> list[str]:
    return [str(file) for file in files]


@config.command(
    epilog="Example:  toolgate config schema > toolgate.schema.json\n\nPut this line first in toolgate.yaml and "
    "editors help:\n\n  # yaml-language-server: $schema=./toolgate.schema.json"
)
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of toolgate.yaml. (It is JSON in any case.)"""
    print_json(document_schema())


@config.command(epilog="Example:  toolgate config show --json")
@config_option
@json_option
def show(config: Path | None, as_json: bool) -> None:
    """Show the configuration in force: the document with all defaults and overrides. Values that may be secret are
    masked."""
    settings = Settings(config)
    document = settings.document().model_dump(mode="json", exclude_none=True)
    if as_json:
        print_json({"path": str(settings.path) if settings.path else None, "document": document})
        return
    from ruamel.yaml import YAML  # noqa: PLC0415  # only this way of showing needs it

    click.echo(f"# {settings.path or 'no toolgate.yaml: these are the defaults'}")
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(document, sys.stdout)
