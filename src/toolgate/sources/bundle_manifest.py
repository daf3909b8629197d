"""The `manifest.json` of an MCPB bundle → a card. Its `user_config` are the inputs."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from toolgate.model.card import Card, Category, Input
from toolgate.model.fill import placeholders
from toolgate.sources.registry_inputs import HOST

__all__ = ["BadManifest", "card_of"]

Json = Mapping[str, Any]

_VERSIONS: Final = frozenset({"0.1", "0.2", "0.3", "0.4"})
_TYPES: Final = frozenset({"node", "python", "binary", "uv"})
_KINDS: Final = {"directory": "path", "file": "path", "boolean": "choice"}
_VARIABLE: Final = re.compile(r"\$\{([^${}]*)\}")
_NAME: Final = re.compile(r"[^a-z0-9._-]+")
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_FOLDERS: Final = {"HOME": "~", "DESKTOP": "~/Desktop", "DOCUMENTS": "~/Documents", "DOWNLOADS": "~/Downloads"}


class BadManifest(Exception):
    """`reason` and `hint` are for a person."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def card_of(manifest: Json, folder: Path, platform: str) -> Card:
    """`folder` is where its files are. Raises `BadManifest`."""
    version = str(manifest.get("manifest_version") or manifest.get("dxt_version") or "")
    if version not in _VERSIONS:
        raise BadManifest(f"its manifest has a version that is not known here ({version[:20] or 'none'})")
    platforms = _object(manifest, "compatibility").get("platforms")
    if isinstance(platforms, list) and platform not in platforms:
        raise BadManifest(
            f"it is for {', '.join(str(name) for name in platforms)}", "there may be another bundle of it"
        )
    inputs = dict(_inputs(_object(manifest, "user_config")))
    entry = _Entry(inputs, folder, platform).of(_object(manifest, "server"))
    used = {name for name, _ in placeholders(entry)}
    try:
        return Card.model_validate({
            "name": "mcpb." + _NAME.sub("-", str(manifest.get("name", "")).lower()).strip("._-")[:90],
            "title": str(manifest.get("display_name") or manifest.get("name") or "")[:100],
            "description": str(manifest.get("description") or "")[:1000],
            "category": Category.OWN,
            "docs": next(_pages(manifest), ""),
            "words": [str(word) for word in _array(manifest, "keywords")][:20],
            "inputs": [*(asked for name, asked in inputs.items() if name in used), _hosts()],
            "server": entry,
            "tools": list(_tools(manifest)),
        })  # fmt: skip
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise BadManifest(f"its manifest makes no sense: {where + ': ' if where else ''}{reason}") from None


class _Entry:
    """`server` of a manifest → an entry of `servers`."""

    def __init__(self, inputs: Mapping[str, Json], folder: Path, platform: str) -> None:
        self._inputs = inputs
        self._folder = folder
        self._platform = platform

    def of(self, server: Json) -> Json:
        if server.get("type") not in _TYPES:
            raise BadManifest(f"its server has a type that is not known here ({str(server.get('type'))[:20]})")
        config = self._config(server)
        args = config.get("args") or []
        env = _object(config, "env")
        command = config.get("command")
        if not isinstance(command, str) or not command or not isinstance(args, list):
            raise BadManifest("its manifest does not say how its server is started")
        entry: dict[str, Any] = {
            "command": self._program(command),
            "args": [self._argument(str(word)) for word in args],
            "sandbox": self._sandbox(),
        }
        return entry | ({"env": {name: self._text(str(text)) for name, text in env.items()}} if env else {})

    def _config(self, server: Json) -> dict[str, Any]:
        config = dict(_object(server, "mcp_config"))
        if not config and server.get("type") == "uv":
            config = {"command": "uv", "args": ["run", "--directory", "${__dirname}", str(server.get("entry_point"))]}
        own = _object(_object(config, "platform_overrides"), self._platform)
        return config | own | {"env": {**_object(config, "env"), **_object(own, "env")}}

    def _program(self, command: str) -> str:
        """A path is one of the bundle; anything else is a program of this machine, such as `node`."""
        text = self._text(command)
        inside = self._folder / text
        return str(inside) if "/" in text and not text.startswith("/") else text

    def _argument(self, word: str) -> str:
        """Bundles name their files relative to themselves too."""
        text = self._text(word)
        relative = not text.startswith(("/", "-", "{", "~")) and "/" in text
        return str(self._folder / text) if relative and self._is_ours(text) else text

    def _is_ours(self, text: str) -> bool:
        path = Path(text)
        return not path.is_absolute() and ".." not in path.parts and (self._folder / path).exists()

    def _text(self, text: str) -> str:
        if "{{" in text:
            raise BadManifest("its manifest has {{ in it, which means something here")
        return _VARIABLE.sub(self._variable, text)

    def _variable(self, match: re.Match[str]) -> str:
        name = match[1]
        if name == "__dirname":
            return str(self._folder)
        if name in {"pathSeparator", "/"}:
            return "\\" if self._platform == "win32" else "/"
        if name in _FOLDERS:
            return _FOLDERS[name].replace("~", str(Path.home()))
        if name.startswith("user_config.") and name.removeprefix("user_config.") in self._inputs:
            return f"{{{{{name.removeprefix('user_config.')}}}}}"
        # Left as it is, it would be looked up among the secrets of whoever installs it.
        raise BadManifest(f"its manifest asks for {match[0][:60]}, which it is not given here")

    def _sandbox(self) -> Json:
        mounts: list[Json] = [{"path": str(self._folder)}]
        mounts += [
            {"path": f"{{{{{name}}}}}", "writable": True}
            for name, entry in self._inputs.items()
            if entry["kind"] == "path"
        ]
        return {"mounts": mounts, "network": ["{{network-hosts}}"]}


def _inputs(config: Json) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, asked in config.items():
        if not _KEY.fullmatch(name) or not isinstance(asked, dict):
            raise BadManifest(f"its manifest asks for something that has no usable name ({name[:40]!r})")
        entry = {
            "name": name,
            "title": str(asked.get("title") or name)[:100],
            "help": str(asked.get("description") or "")[:1000],
            "required": asked.get("required") is True,
            "kind": "secret" if asked.get("sensitive") is True else _KINDS.get(str(asked.get("type")), "text"),
        }
        yield name, entry | _more(asked, entry)


def _more(asked: Json, entry: Json) -> dict[str, Any]:
    more: dict[str, Any] = {"choices": ("true", "false")} if entry["kind"] == "choice" else {}
    if asked.get("type") == "number":
        more |= {"pattern": r"-?[0-9]+(\.[0-9]+)?", "option": True}
    if asked.get("multiple") is True and entry["kind"] == "path":
        more["several"] = True
    default = _default(asked.get("default"))
    if default and entry["kind"] != "secret" and _fits({**entry, **more}, default):
        more["default"] = default
    return more


def _default(value: Any) -> str:
    """Of several, the first: a card has one."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, bool):
        return str(first).lower()
    if not isinstance(first, str | int | float):
        return ""
    return _VARIABLE.sub(lambda match: _FOLDERS.get(match[1], match[0]), str(first))


def _fits(entry: Json, default: str) -> bool:
    try:
        Input.model_validate({**entry, "default": default})
    except ValidationError:
        return False
    return True


def _hosts() -> Json:
    return {
        "name": "network-hosts", "title": "Hosts", "required": False, "several": True, "pattern": HOST,
        "help": "What it may reach, such as `api.example.com`; nothing where left out.",
    }  # fmt: skip


def _pages(manifest: Json) -> Iterator[str]:
    for page in (manifest.get("documentation"), manifest.get("homepage"), _object(manifest, "repository").get("url")):
        if isinstance(page, str) and re.fullmatch(r"https://[^\s/]+\.[^\s]+", page):
            yield page


def _tools(manifest: Json) -> Iterator[str]:
    yield from (str(tool["name"]) for tool in _array(manifest, "tools") if isinstance(tool, dict) and "name" in tool)


def _array(owner: Json, name: str) -> list[Any]:
    value = owner.get(name)
    return value if isinstance(value, list) else []


def _object(owner: Json, name: str) -> dict[str, Any]:
    value = owner.get(name)
    return value if isinstance(value, dict) else {}
