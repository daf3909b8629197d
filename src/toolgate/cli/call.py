"""`toolgate call`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from toolgate.cli.arguments import ArgumentRefusedError, nearest, parse
from toolgate.cli.borrowed import with_gateway
from toolgate.cli.client import Json, Mcp
from toolgate.cli.options import config_option, url_option
from toolgate.cli.outcome import TOOL_ERROR
from toolgate.cli.output import print_json
from toolgate.cli.running import Endpoint
from toolgate.cli.settings import Settings
from toolgate.model.names import SEPARATOR

__all__ = ["call"]


@click.command(
    short_help="Call a tool.",
    epilog="""Examples:

\b
  toolgate call time__get_current_time timezone=Europe/Berlin
  toolgate call git__git_log repo_path=. max_count:=3
  toolgate call notes__save text=@letter.txt --output json
  toolgate call notes__save --json '{"text": "hello"}'

Values become what the tool's schema says: key=3 is a number where the tool wants one. key:=JSON takes JSON as it
stands, key=@FILE reads the value from a file. Ends with 5 where the tool answered with an error.""",
)
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "document", metavar="JSON", help="Arguments as one JSON object; key=value pairs lie over it.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    callback=lambda ctx, _, value: _remember(ctx, value),
    help="text: what a person wants to read. json: the whole result, as the server gave it.",
)
@url_option
@config_option
def call(
    tool: str, arguments: tuple[str, ...], document: str | None, output: str, url: str | None, config: Path | None
) -> None:
    """Call TOOL, named as `toolgate tools` lists it, and print what it answers."""
    given = _document(document)

    def work(endpoint: Endpoint) -> Json:
        mcp = Mcp(endpoint)
        found = _find(mcp.tools(), tool)
        return mcp.call(found, parse(arguments, found.get("inputSchema") or {}, given), _progress())

    result = with_gateway(
        Settings(config), url, work, wanted=lambda server: tool.startswith(f"{server.name}{SEPARATOR}")
    )
    if output == "json":
        print_json(result)
    else:
        _print(result)
    if result.get("isError"):
        sys.exit(TOOL_ERROR)


def _remember(ctx: click.Context, value: str) -> str:
    ctx.find_root().ensure_object(dict)["json"] = value == "json"
    return value


def _document(text: str | None) -> Json:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentRefusedError(f"--json is not JSON: {error}", hint='e.g. --json \'{"key": "value"}\'') from error
    if not isinstance(value, dict):
        raise ArgumentRefusedError("--json must be an object", hint='e.g. --json \'{"key": "value"}\'')
    return value


def _find(listed: list[Json], name: str) -> Json:
    for tool in listed:
        if tool["name"] == name:
            return tool
    names = [str(tool["name"]) for tool in listed]
    own = [known for known in names if known.endswith(f"{SEPARATOR}{name}")]
    meant = f"; did you mean {own[0]}?" if own else nearest(name, names)
    raise ArgumentRefusedError(f"there is no tool {name}{meant}", hint="`toolgate tools` lists them")


class _Progress:
    """One line on the terminal that is written over; nothing on a pipe."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, done: float, total: float | None, message: str) -> None:
        line = f"{done:g}/{total:g} {message}" if total else f"{done:g} {message}"
        click.echo(f"\r{line.ljust(self._width)}", nl=False, err=True)
        self._width = len(line)
        if total and done >= total:
            click.echo(f"\r{' ' * self._width}\r", nl=False, err=True)


def _progress() -> _Progress | None:
    return _Progress() if sys.stderr.isatty() else None


def _print(result: Json) -> None:
    content = result.get("content") or []
    for block in content:
        click.echo(_shown(block))
    if not any(block.get("type") == "text" for block in content) and "structuredContent" in result:
        print_json(result["structuredContent"])


def _shown(block: Json) -> str:
    match block.get("type"):
        case "text":
            return str(block["text"])
        case "image" | "audio" as kind:
            size = len(str(block.get("data", ""))) * 3 // 4
            return f"[{kind} {block.get('mimeType', '')}, {size} bytes; --output json has it]"
        case "resource_link":
            return f"[resource {block.get('uri')}]"
        case "resource":
            return _resource(block.get("resource") or {})
        case kind:
            return f"[{kind}; --output json has it]"


def _resource(resource: dict[str, Any]) -> str:
    if "text" in resource:
        return str(resource["text"])
    return f"[resource {resource.get('uri')} {resource.get('mimeType', '')}; --output json has it]"
