"""A `server.json` of the MCP registry (schema 2025-12-11) → a card: its first package or remote that can be used here.

Versions are pinned. Texts of others stay texts: `{{` in them is no placeholder of ours, and `${` no reference.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from toolgate.model.card import Card, Category
from toolgate.sources.registry_inputs import Inputs, NoWay

__all__ = ["NoWay", "bundle_of", "card_of"]

Json = Mapping[str, Any]

_HINT: Final = "look at its own page, and add it with `toolgate servers add`"
_HTTP: Final = ("streamable-http", "sse")
_NAME: Final = re.compile(r"[^a-z0-9._-]+")
_EXACT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_!-]*")
_PACKAGE_NAME: Final = re.compile(r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9][A-Za-z0-9._~-]*")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*")


def card_of(server: Json) -> Card:
    """Raises `NoWay`."""
    inputs = Inputs()
    entry, packages = _entry(server, inputs)
    version = str(server.get("version", ""))
    try:
        return Card.model_validate({
            "name": name_of(str(server.get("name", ""))),
            "title": (str(server.get("title") or "") or str(server["name"]))[:100],
            "description": (str(server.get("description") or "") or str(server["name"]))[:1000],
            "category": Category.OWN,
            "docs": _https(server.get("websiteUrl")) or _https((_of(server, "repository")).get("url")),
            "words": [f"version {version}"] if version else [],
            "packages": packages,
            "inputs": inputs.all,
            "server": entry,
        })  # fmt: skip
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise NoWay(f"what it asks for makes no sense ({first['msg']})", _HINT) from None


def name_of(name: str) -> str:
    """`io.github.someone/weather` → `io.github.someone.weather`, which no shipped card is called."""
    return _NAME.sub("-", name.lower().replace("/", ".")).strip("._-")[:100] or "server"


def bundle_of(server: Json) -> tuple[str, str] | None:
    """The URL and the SHA-256 of its MCPB bundle, where it has one and nothing else that can be used."""
    packages = [package for package in _list(server, "packages") if package.get("registryType") == "mcpb"]
    return (str(packages[0].get("identifier")), str(packages[0].get("fileSha256", ""))) if packages else None


def _entry(server: Json, inputs: Inputs) -> tuple[Json, list[Json]]:
    for package in _list(server, "packages"):
        kind = str(package.get("registryType"))
        if kind in _RUNNERS and _of(package, "transport").get("type", "stdio") == "stdio":
            return _command(package, kind, inputs), [{"registry": kind, "name": _bare(package, kind)}]
    for remote in sorted(_list(server, "remotes"), key=lambda remote: remote.get("type") != _HTTP[0]):
        if remote.get("type") in _HTTP:
            return _remote(remote, inputs), []
    kinds = sorted({str(package.get("registryType")) for package in _list(server, "packages")})
    if kinds == ["mcpb"]:
        raise NoWay("it is a bundle (mcpb)", "install the bundle itself, by its address and its SHA-256")
    raise NoWay(f"it comes as {', '.join(kinds)}, which is not run here" if kinds else "it has no package", _HINT)


def _command(package: Json, kind: str, inputs: Inputs) -> Json:
    version = str(package.get("version") or "")
    if kind != "oci" and not _EXACT.fullmatch(version):
        raise NoWay("its package has no exact version", _HINT)
    named = str(package.get("identifier", ""))
    if not (_IMAGE if kind == "oci" else _PACKAGE_NAME).fullmatch(named):
        raise NoWay("the name of its package is none", _HINT)
    env = dict(inputs.pairs(_list(package, "environmentVariables")))
    own = [*inputs.arguments(_list(package, "packageArguments"))]
    runtime = [*inputs.arguments(_list(package, "runtimeArguments"))]
    command, words = _RUNNERS[kind](named, version, runtime, env)
    entry: dict[str, Any] = {"command": command, "args": [*words, *own]}
    sandbox = {} if kind == "oci" else {"sandbox": inputs.sandbox()}
    return entry | ({"env": env} if env else {}) | sandbox


def _npx(named: str, version: str, runtime: Sequence[Any], env: Json) -> tuple[str, list[Any]]:
    return "npx", ["-y", *(word for word in runtime if word not in {"-y", "--yes"}), f"{named}@{version}"]


def _uvx(named: str, version: str, runtime: Sequence[Any], env: Json) -> tuple[str, list[Any]]:
    return "uvx", [*runtime, f"{named}=={version}"]


def _docker(named: str, version: str, runtime: Sequence[Any], env: Json) -> tuple[str, list[Any]]:
    # Variables are passed on by their names, so that no secret stands in a command line.
    passed = [word for variable in env for word in ("-e", variable)]
    tagged = named if ":" in named.rpartition("/")[2] or "@" in named or not version else f"{named}:{version}"
    return "docker", ["run", "-i", "--rm", *passed, *runtime, tagged]


_RUNNERS: Final = {"npm": _npx, "pypi": _uvx, "oci": _docker}


def _bare(package: Json, kind: str) -> str:
    name = str(package.get("identifier", ""))
    if kind == "oci":
        head, slash, last = name.partition("@")[0].rpartition("/")
        return head + slash + last.partition(":")[0]
    return name


def _remote(remote: Json, inputs: Inputs) -> Json:
    url = inputs.text(str(remote.get("url", "")), _of(remote, "variables"))
    headers = dict(inputs.pairs(_list(remote, "headers")))
    return {"url": url} | ({"headers": headers} if headers else {})


def _list(owner: Json, name: str) -> list[Json]:
    value = owner.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _of(owner: Json, name: str) -> Json:
    value = owner.get(name)
    return value if isinstance(value, dict) else {}


def _https(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"https://[^\s/]+\.[^\s]+", value) else ""
