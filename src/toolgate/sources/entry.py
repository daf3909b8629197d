"""One server as clients write it → a `Server`. The shapes differ little: std (`command`, `args`, `env`) and `url`."""

import os.path
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toolgate.model.names import server_name
from toolgate.model.profile import Profile
from toolgate.model.secretref import Template
from toolgate.model.server import GraphQl, Http, OpenApi, Provenance, Server, Stdio, Transport, flaw
from toolgate.sources.card_profiles import widened
from toolgate.sources.variables import UnknownVariable, Variables

__all__ = ["BrokenEntry", "LeftOut", "Place", "ignored_fields", "read_entry"]

# Which of the transports over HTTP a server speaks is found out when it is reached.
_REMOTE: Final = frozenset({"http", "streamable-http", "streamablehttp", "streamable_http", "sse"})
_UNSPOKEN: Final = {"ws": "WebSocket", "websocket": "WebSocket"}
# What changes how a client runs a server, and is not done here.
_IGNORED: Final = {
    "envFile": "is not read here; put its variables under `env`, or into the .env of toolgate.yaml",
    "headersHelper": "is not run here; put the headers under `headers`",
}


class BrokenEntry(Exception):
    """The entry makes no sense. `reason` never quotes a value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class LeftOut(Exception):
    """The entry is understood, and not served on purpose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where entries stand, and what is the same for all of them. `base` is what a relative `cwd` is relative to."""

    source: str
    file: str
    base: Path
    variables: Variables
    timeout: float
    profile: Profile = Profile()


def read_entry(label: str, entry: Any, place: Place) -> Server:
    """Raises `BrokenEntry` or `LeftOut`."""
    if not isinstance(entry, Mapping):
        raise BrokenEntry("", "should be an object")
    if entry.get("disabled") is True or entry.get("enabled") is False:
        raise LeftOut("disabled there")
    try:
        transport = _transport(entry, place)
    except UnknownVariable as error:
        raise LeftOut(error.reason) from None
    if found := flaw(transport):
        raise BrokenEntry(found.field, found.reason)
    origin = Provenance(place.source, place.file, label)
    profile = widened(place.profile, transport) if isinstance(transport, Stdio) else Profile()
    return Server(server_name(label), transport, origin, place.timeout, profile=profile)


def ignored_fields(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that mean something to the client and nothing here: (field, reason)."""
    return ((field, reason) for field, reason in _IGNORED.items() if entry.get(field))


def _transport(entry: Mapping[str, Any], place: Place) -> Transport:
    if entry.get("openapi") is not None:
        return _described(entry, place)
    if entry.get("graphql") is not None:
        written = entry.get("schema_file")
        return GraphQl(
            _text("graphql", entry["graphql"], place),
            _texts("headers", entry.get("headers"), place),
            folder(_text("schema_file", written, place).text, place.base, place.variables.home) if written else None,
            _globs("include", entry.get("include")),
            _globs("exclude", entry.get("exclude")),
        )
    return _child(entry, place) if _is_child(entry) else _remote(entry, place)


def _described(entry: Mapping[str, Any], place: Place) -> OpenApi:
    description = _text("openapi", entry["openapi"], place)
    if "://" not in description.text:
        description = Template(folder(description.text, place.base, place.variables.home))
    return OpenApi(
        description,
        _text("url", entry["url"], place) if entry.get("url") is not None else None,
        _texts("headers", entry.get("headers"), place),
        _texts("auth", entry.get("auth"), place),
        _globs("include", entry.get("include")),
        _globs("exclude", entry.get("exclude")),
    )


def _globs(field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | None) or not all(isinstance(glob, str) for glob in value or ()):
        raise BrokenEntry(field, "should be a list of texts")
    return tuple(value or ())


def _is_child(entry: Mapping[str, Any]) -> bool:
    kind = entry.get("type", entry.get("transport"))
    has_command, has_url = entry.get("command") is not None, entry.get("url") is not None
    if kind is not None:
        word = str(kind).lower() if isinstance(kind, str) else ""
        if word in _UNSPOKEN:
            raise LeftOut(f"its transport, {_UNSPOKEN[word]}, is not spoken yet")
        if word != "stdio" and word not in _REMOTE:
            raise BrokenEntry("type", "should be stdio, http or sse")
        needed = "command" if word == "stdio" else "url"
        if not (has_command if word == "stdio" else has_url):
            raise BrokenEntry(needed, "is missing")
        return word == "stdio"
    if has_command and has_url:
        raise BrokenEntry("", "has both a `command` and a `url`")
    if not has_command and not has_url:
        raise BrokenEntry("", "has neither a `command` nor a `url`")
    return has_command


def _child(entry: Mapping[str, Any], place: Place) -> Stdio:
    arguments = entry.get("args")
    if not isinstance(arguments, list | None):
        raise BrokenEntry("args", "should be a list")
    return Stdio(
        command=_text("command", entry["command"], place),
        args=tuple(_text(f"args[{at}]", value, place) for at, value in enumerate(arguments or ())),
        env=_texts("env", entry.get("env"), place),
        cwd=_folder(entry.get("cwd"), place),
    )


def _remote(entry: Mapping[str, Any], place: Place) -> Http:
    return Http(_text("url", entry["url"], place), _texts("headers", entry.get("headers"), place))


def _text(field: str, value: Any, place: Place) -> Template:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise BrokenEntry(field, "should be text")
    return Template(place.variables.substitute(str(value)))


def _texts(field: str, value: Any, place: Place) -> dict[str, Template]:
    """A member that is null is left out."""
    if not isinstance(value, Mapping | None):
        raise BrokenEntry(field, "should be an object")
    members = (value or {}).items()
    return {name: _text(f"{field}.{name}", member, place) for name, member in members if member is not None}


def _folder(value: Any, place: Place) -> str | None:
    if value is None or value == "":
        return None
    text = _text("cwd", value, place)
    if not isinstance(value, str):
        raise BrokenEntry("cwd", "should be text")
    return folder(text.text, place.base, place.variables.home)


def folder(text: str, base: Path, home: Path) -> str:
    """An absolute folder, from one that may begin with `~` or be relative.

    A Windows path stays as it is, and what begins with a reference is known only later.
    """
    if text == "~" or text.startswith(("~/", "~\\")):
        return str(home / text[2:])
    if text[1:3] in {":\\", ":/"} or text.startswith(("\\\\", "${")):
        return text
    return os.path.normpath(base / text)
