"""`toolgate servers`."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from platformdirs import user_config_path

from toolgate.cli.arguments import nearest
from toolgate.cli.options import config_option, json_option
from toolgate.cli.output import print_json, print_table
from toolgate.cli.settings import Settings
from toolgate.config import edit
from toolgate.config.load import FILE_NAME
from toolgate.errors import ToolgateError
from toolgate.model.secretref import MASK, Template
from toolgate.model.server import GraphQl, Http, OpenApi, Server, Stdio

__all__ = ["ServerUnknownError", "find_server", "servers"]


_OPTION: Final = re.compile(r"--[A-Za-z][A-Za-z0-9-]*(?:=|$)|-[A-Za-z]")


class ServerUnknownError(ToolgateError):
    """No source has a server of this name."""

    code = "server-unknown"


def find_server(known: Sequence[Server], name: str) -> Server:
    for server in known:
        if server.name == name:
            return server
    meant = nearest(name, [server.name for server in known])
    raise ServerUnknownError(f"there is no server {name}{meant}", hint="`toolgate servers list` shows them")


@click.group(epilog="Example:  toolgate servers add time -- uvx mcp-server-time")
def servers() -> None:
    """Add, remove, show and list servers."""


@servers.command(
    name="add",
    epilog="""Examples:

\b
  toolgate servers add time -- uvx mcp-server-time
  toolgate servers add notes --writable ~/notes -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  toolgate servers add github --network api.github.com --env GITHUB_TOKEN='${GITHUB_TOKEN}' -- npx -y server-github
  toolgate servers add docs --url https://docs.example.com/mcp --header 'Authorization: Bearer ${DOCS_TOKEN}'

Write ${NAME} for what is secret: it is looked up in the environment and .env when the server starts.""",
)
@click.argument("name")
@click.argument("command", nargs=-1, metavar="[-- COMMAND ARGS...]")
@click.option("--url", help="The address of a server that runs elsewhere.")
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="With --url; may be given several times.")
@click.option("--env", "variables", multiple=True, metavar="K=V", help="With a command; may be given several times.")
@click.option("--cwd", metavar="FOLDER", help="The folder that the command starts in.")
@click.option("--mount", "mounts", multiple=True, metavar="PATH", help="A file or folder that the command may read.")
@click.option("--writable", multiple=True, metavar="PATH", help="A file or folder that the command may change.")
@click.option("--network", multiple=True, metavar="HOST", help="A host that the command may reach; * for every one.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds a call may take.")
@click.option("--replace", is_flag=True, help="Take the place of a server of that name.")
@config_option
@json_option
def add(
    name: str,
    command: tuple[str, ...],
    url: str | None,
    headers: tuple[str, ...],
    variables: tuple[str, ...],
    cwd: str | None,
    mounts: tuple[str, ...],
    writable: tuple[str, ...],
    network: tuple[str, ...],
    timeout: float | None,
    replace: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write a server into toolgate.yaml. A gateway that runs picks it up at once."""
    if bool(command) == bool(url):
        raise click.UsageError("give a command (after --) or --url")
    entry: dict[str, Any] = {"command": command[0], "args": list(command[1:])} if command else {"url": url}
    entry |= {
        "env": _pairs(variables, "=", "--env"),
        "headers": _pairs(headers, ":", "--header"),
        "cwd": cwd,
        "timeout": timeout,
    }
    path = _document(Settings(config))
    seen = [_from(path, mount) for mount in mounts]
    changed = [{"path": _from(path, mount), "writable": True} for mount in writable]
    sandbox = {"mounts": [*seen, *changed], "network": list(network)}
    entry["sandbox"] = {key: value for key, value in sandbox.items() if value}
    edit.add_server(path, name, {key: value for key, value in entry.items() if value}, replace=replace)
    _print_done(f"added {name} to {path}", {"added": name, "file": str(path)}, as_json)


def _from(document: Path, path: str) -> str:
    """A path as it reads in the document, whose own folder is what paths in it are relative to."""
    return path if path.startswith("~") or document.absolute().parent == Path.cwd() else str(Path.cwd() / path)


@servers.command(name="remove", epilog="Example:  toolgate servers remove time")
@click.argument("name")
@config_option
@json_option
def remove(name: str, config: Path | None, as_json: bool) -> None:
    """Take a server out of toolgate.yaml."""
    settings = Settings(config)
    if settings.path is None:
        raise ServerUnknownError("there is no toolgate.yaml", hint="`toolgate servers list` shows where each server is")
    edit.remove_server(settings.path, name)
    _print_done(f"removed {name} from {settings.path}", {"removed": name, "file": str(settings.path)}, as_json)


@servers.command(name="list", epilog="Example:  toolgate servers list --json")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List the configured servers and where each was found. (How they are: `toolgate status`.)"""
    loaded = Settings(config).read()
    if as_json:
        print_json({"servers": [describe(server) for server in loaded.servers]})
        return
    rows = [(server.name, server.provenance.source, server.provenance.file) for server in loaded.servers]
    print_table(("SERVER", "SOURCE", "FILE"), rows)


@servers.command(name="show", epilog="Example:  toolgate servers show github")
@click.argument("name")
@config_option
@json_option
def show(name: str, config: Path | None, as_json: bool) -> None:
    """Show how a server is defined. What may be secret is masked; references such as ${NAME} are shown."""
    facts = describe(find_server(Settings(config).read().servers, name))
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        for line in _lines(value):
            click.echo(f"{key + ':':<12}{line}")


def describe(server: Server) -> dict[str, Any]:
    """A definition as it may be shown."""
    facts: dict[str, Any] = {
        "name": server.name,
        "source": server.provenance.source,
        "file": server.provenance.file,
    }
    if isinstance(server.transport, Stdio):
        facts["command"] = _program(server.transport.command)
        facts["args"] = [_argument(argument) for argument in server.transport.args]
        facts["env"] = _masked(server.transport.env)
        facts["cwd"] = server.transport.cwd
    else:
        facts |= _remote_facts(server.transport)
    facts["timeout"] = server.timeout
    return {key: value for key, value in facts.items() if value}


def _remote_facts(transport: Http | OpenApi | GraphQl) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if isinstance(transport, OpenApi):
        described = transport.description
        facts["openapi"] = _address(described) if "://" in described.text else described.text
        facts["auth"] = _masked(transport.auth)
    if transport.url is not None:
        facts["graphql" if isinstance(transport, GraphQl) else "url"] = _address(transport.url)
    facts["headers"] = _masked(transport.headers)
    if not isinstance(transport, Http):
        facts |= {"include": list(transport.include), "exclude": list(transport.exclude)}
    return facts


def _program(command: Template) -> str:
    return command.text


def _argument(argument: Template) -> str:
    """The names of options are shown. What stands beside them may be a key that somebody pasted, and is masked."""
    match = _OPTION.match(argument.text)
    end = match.end() if match else 0
    return argument.text[:end] + Template(argument.text[end:]).display()


def _address(url: Template) -> str:
    """People put keys into paths and queries: the host is shown, the rest is masked."""
    scheme, separator, rest = url.text.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    if not separator or "${" in host:
        return url.display()
    return f"{scheme}://{host}" + (f"/{MASK}" if rest.rpartition("@")[2].strip("/") != host else "")


def _masked(values: Mapping[str, Template]) -> dict[str, str]:
    return {key: value.display() for key, value in values.items()}


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}={shown}" for key, shown in value.items()]
    return [shlex.join(value)] if isinstance(value, list) else [str(value)]


def _pairs(texts: Sequence[str], sign: str, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, found, value = text.partition(sign)
        if not found or not key.strip():
            raise click.UsageError(f"{option} takes KEY{sign}VALUE")
        pairs[key.strip()] = value.strip() if sign == ":" else value
    return pairs


def _document(settings: Settings) -> Path:
    """The document in force, else the user's own, which counts wherever `toolgate up` is typed."""
    if settings.path is not None:
        return settings.path
    folder = settings.env.get("XDG_CONFIG_HOME")
    return (Path(folder) / "toolgate" if folder else user_config_path("toolgate", appauthor=False)) / FILE_NAME


def _print_done(text: str, facts: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        click.echo(text)
