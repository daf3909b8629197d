"""Servers named in environment variables, for containers and CI:

    MCP_SERVERS=docs,time
    MCP_SERVER_DOCS_URL=https://docs.example.com/mcp
    MCP_SERVER_DOCS_HEADERS={"Authorization": "Bearer ${DOCS_TOKEN}"}
    MCP_SERVER_TIME_COMMAND=uvx
    MCP_SERVER_TIME_ARGS=mcp-server-time --local-timezone UTC
    MCP_SERVER_TIME_ENV_TZ=UTC

`_ARGS` is split as a shell would, or is a JSON list; `_HEADERS` is a JSON object, or `Name: value` a line.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from toolgate.model.names import server_name
from toolgate.model.server import Server
from toolgate.sources.base import Found, Problem
from toolgate.sources.entry import BrokenEntry, LeftOut, Place, read_entry

__all__ = ["EnvironmentServers"]

ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True)
class EnvironmentServers:
    env: Mapping[str, str]
    place: Place
    name: str = ENVIRONMENT

    def read(self) -> Found:
        servers: list[Server] = []
        problems: list[Problem] = []
        for label in dict.fromkeys(part.strip() for part in self.env.get("MCP_SERVERS", "").split(",")):
            if not label:
                continue
            prefix = f"MCP_SERVER_{re.sub('[^A-Z0-9]', '_', label.upper())}"
            try:
                servers.append(read_entry(label, self._entry(prefix), self.place))
            except BrokenEntry as error:
                variable = f"{prefix}_{_variable(error.field)}" if error.field else prefix
                problems.append(Problem(ENVIRONMENT, 0, variable, error.reason))
            except LeftOut as error:
                problems.append(Problem(ENVIRONMENT, 0, prefix, f"{server_name(label)}: {error.reason}"))
        return Found(tuple(servers), tuple(problems))

    def _entry(self, prefix: str) -> dict[str, Any]:
        """The same object as a client would have written."""
        entry: dict[str, Any] = {}
        for field in ("url", "command"):
            if value := self.env.get(f"{prefix}_{field.upper()}"):
                entry[field] = value
        if not entry:
            raise BrokenEntry("", f"neither {prefix}_URL nor {prefix}_COMMAND is set")
        if text := self.env.get(f"{prefix}_ARGS"):
            entry["args"] = _arguments(text)
        if text := self.env.get(f"{prefix}_HEADERS"):
            entry["headers"] = _headers(text)
        own = f"{prefix}_ENV_"
        entry["env"] = {name.removeprefix(own): self.env[name] for name in self.env if name.startswith(own)}
        return entry


def _variable(field: str) -> str:
    return re.split(r"[.\[]", field)[0].upper()


def _arguments(text: str) -> list[Any]:
    try:
        parsed = json.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    except (ValueError, RecursionError):
        raise BrokenEntry("args", "should be a list in JSON, or words as a shell takes them") from None
    return list(parsed)


def _headers(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except (ValueError, RecursionError):
            raise BrokenEntry("headers", "is not a JSON object") from None
    headers: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        if not colon:
            raise BrokenEntry("headers", "should be a JSON object, or `Name: value` a line")
        headers[name.strip()] = value.strip()
    return headers
