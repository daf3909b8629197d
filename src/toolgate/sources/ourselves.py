"""Telling apart the servers that are Toolgate itself: people put the gateway into the files that it reads."""

import ipaddress
import re
from itertools import pairwise
from pathlib import PureWindowsPath
from typing import Final
from urllib.parse import urlsplit

from toolgate.model.server import Http, Stdio, Transport

__all__ = ["REASON", "is_toolgate"]

REASON: Final = "this is Toolgate itself"

_OURS: Final = re.compile(r"/mcp/?|/(?:servers|virtual)/.*")
_LAUNCHERS: Final = frozenset({"uvx", "uv", "pipx", "cmd", "sh", "bash", "env"})


def is_toolgate(transport: Transport, host: str, port: int) -> bool:
    """Whether this leads back to a gateway that listens on `host` and `port`, also through a relay started with our
    URL as an argument."""
    if isinstance(transport, Http):
        return _is_our_url(transport.url.text, host, port)
    if not isinstance(transport, Stdio):
        return False  # we describe no tools as OpenAPI or GraphQL
    arguments = [argument.text for argument in transport.args]
    program = _program(transport.command.text)
    if program == "toolgate" or (program in _LAUNCHERS and "toolgate" in map(_program, arguments)):
        return True
    if any(pair == ("-m", "toolgate") for pair in pairwise(arguments)):
        return True
    return any(_is_our_url(argument, host, port) for argument in arguments)


def _program(path: str) -> str:
    """`C:\\\\Tools\\\\toolgate.exe` → `toolgate`; Windows' rules split Unix paths as well."""
    return re.sub(r"\.(?:exe|cmd|bat)$", "", PureWindowsPath(path).name.lower())


def _is_our_url(text: str, host: str, port: int) -> bool:
    if not text.startswith(("http://", "https://")):
        return False
    try:
        url = urlsplit(text)
        return (
            (url.port or {"http": 80, "https": 443}[url.scheme]) == port
            and _is_here(url.hostname or "", host)
            and _OURS.fullmatch(url.path) is not None
        )
    except ValueError:  # a port or an address that is none, or a reference in its place
        return False


def _is_here(hostname: str, host: str) -> bool:
    if hostname in {host, "localhost"} or hostname.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(hostname)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
