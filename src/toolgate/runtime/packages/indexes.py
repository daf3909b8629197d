"""Which Python index this machine's settings name, for pip and for uv."""

import ast
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Indexes", "host_of", "of_pip", "of_uv", "over", "with_first"]

_YES: Final = frozenset({"1", "true", "yes", "on"})
_LINE: Final = re.compile(r"(?P<place>:env:|global|install|download)\.(?P<name>[a-z-]+)=(?P<value>.+)")


@dataclass(frozen=True, slots=True)
class Indexes:
    """`first` is empty where nothing names one: the installer has its own then, unless `closed`. Addresses may hold
    passwords. `links` are addresses and folders to look for archives in, too."""

    first: str = field(default="", repr=False)
    more: tuple[str, ...] = field(default=(), repr=False)
    links: tuple[str, ...] = field(default=(), repr=False)
    trusted: tuple[str, ...] = ()
    certificates: str = ""
    proxy: str = field(default="", repr=False)
    closed: bool = False
    """No index at all, only the links."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of this machine, which the installer has to see."""
        local = [link for link in self.links if not host_of(link)]
        paths = [link.removeprefix("file://") for link in (*local, self.certificates) if link]
        return tuple(Path(path) for path in paths if os.path.exists(path))

    def configuration(self) -> str:
        """As a pip.conf."""
        values = {
            "index-url": self.first,
            "extra-index-url": "\n    ".join(self.more),
            "find-links": "\n    ".join(self.links),
            "trusted-host": "\n    ".join(self.trusted),
            "cert": self.certificates,
            "proxy": self.proxy,
            "no-index": "true" if self.closed else "",
        }
        return "\n".join(["[global]", *(f"{name} = {value}" for name, value in values.items() if value), ""])

    def variables(self) -> dict[str, str]:
        """As uv reads them."""
        values = {
            "UV_DEFAULT_INDEX": self.first,
            "UV_INDEX": " ".join(self.more),
            "UV_FIND_LINKS": ",".join(self.links),
            "UV_INSECURE_HOST": " ".join(self.trusted),
            "SSL_CERT_FILE": self.certificates,
            "ALL_PROXY": self.proxy,
            "UV_NO_INDEX": "true" if self.closed else "",
        }
        return {name: value for name, value in values.items() if value}


def of_pip(listed: str, own: Mapping[str, str]) -> Indexes:
    """From what `pip config list` says, and the definition's own PIP_* variables over it."""
    found: dict[str, str] = {}
    for place in ("global", "install", ":env:"):  # pip reads the later over the earlier
        for match in map(_LINE.fullmatch, listed.splitlines()):
            if match and match["place"] == place:
                found[match["name"]] = _literal(match["value"])
    for name, value in own.items():
        if name.startswith("PIP_"):
            found[name[4:].lower().replace("_", "-")] = value
    closed = found.get("no-index", "").lower() in _YES
    return Indexes(
        first="" if closed else found.get("index-url", ""),
        more=() if closed else tuple(found.get("extra-index-url", "").split()),
        links=tuple(found.get("find-links", "").split()),
        trusted=tuple(found.get("trusted-host", "").split()),
        certificates=found.get("cert", ""),
        proxy=found.get("proxy", ""),
        closed=closed,
    )


def of_uv(variables: Mapping[str, str], files: Sequence[str] = ()) -> Indexes:
    """From the variables of uv, and the text of its configuration files for what they do not name. An index may be
    written `name=https://…`."""
    first, extra = _of_file(next(filter(None, files), ""))
    more = f"{variables.get('UV_INDEX', '')} {variables.get('UV_EXTRA_INDEX_URL', '')}".split()
    return Indexes(
        closed=variables.get("UV_NO_INDEX", "").lower() in _YES,
        first=_unnamed(variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL") or first),
        more=tuple(map(_unnamed, more)) or extra,
        links=tuple(variables.get("UV_FIND_LINKS", "").replace(",", " ").split()),
        trusted=tuple(variables.get("UV_INSECURE_HOST", "").split()),
        certificates=variables.get("SSL_CERT_FILE", ""),
    )


def over(one: Indexes, other: Indexes) -> Indexes:
    """The first, and where it names nothing, the second."""
    if one.first or one.more or one.closed:
        return replace(one, certificates=one.certificates or other.certificates, proxy=one.proxy or other.proxy)
    return replace(other, links=(*one.links, *other.links))


def with_first(indexes: Indexes, first: str) -> Indexes:
    return replace(indexes, first=first)


def host_of(url: str) -> str:
    """`host` or `host:port`; empty for a folder."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] if parts.scheme in {"http", "https"} else ""


def _of_file(text: str) -> tuple[str, tuple[str, ...]]:
    """The default index and the others of a uv.toml."""
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return "", ()
    listed = [entry for entry in settings.get("index", []) if isinstance(entry, dict) and "url" in entry]
    first = next((str(entry["url"]) for entry in listed if entry.get("default")), str(settings.get("index-url", "")))
    more = [str(entry["url"]) for entry in listed if not entry.get("default")]
    return first, (*more, *map(str, settings.get("extra-index-url", [])))


def _unnamed(text: str) -> str:
    return re.sub(r"^[A-Za-z0-9._-]+=", "", text)


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
