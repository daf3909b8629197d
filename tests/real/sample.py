"""One request that is made twice, directly and through the gateway, and how the two answers are compared."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

__all__ = ["Sample", "clock_times", "completion", "environments", "file_times", "instants", "prompt", "read", "tool"]

Leveller = Callable[[Any], Any]


@dataclass(frozen=True)
class Sample:
    """`level` takes out of both results what no two answers share; every use of one is a field not compared."""

    method: str
    params: Mapping[str, Any]
    level: Leveller = lambda result: result

    @property
    def offered(self) -> str:
        """The tool, prompt or URI that this sample is of."""
        named = self.params.get("ref", self.params)
        return str(named.get("name") or named.get("uri"))

    def under(self, name: Callable[[str], str], address: Callable[[str], str]) -> Self:
        """The same request as the gateway's one endpoint wants it: its names of tools and prompts, its URIs."""
        change = {"name": name, "uri": address}
        renamed = {key: change[key](value) if key in change else value for key, value in self.params.items()}
        if reference := self.params.get("ref"):
            renamed["ref"] = {key: change[key](value) if key in change else value for key, value in reference.items()}
        return replace(self, params=renamed)


def tool(name: str, arguments: Mapping[str, Any] | None = None, level: Leveller | None = None, **more: Any) -> Sample:
    sample = Sample("tools/call", {"name": name, "arguments": arguments or {}, **more})
    return replace(sample, level=level) if level else sample


def prompt(name: str, arguments: Mapping[str, str] | None = None, level: Leveller | None = None) -> Sample:
    sample = Sample("prompts/get", {"name": name, **({"arguments": arguments} if arguments else {})})
    return replace(sample, level=level) if level else sample


def read(uri: str, level: Leveller | None = None) -> Sample:
    sample = Sample("resources/read", {"uri": uri})
    return replace(sample, level=level) if level else sample


def completion(reference: Mapping[str, str], argument: str, value: str, **context: str) -> Sample:
    """Of a prompt's argument (`{"name": …}`) or of a template's variable (`{"uri": …}`)."""
    kind = "ref/prompt" if "name" in reference else "ref/resource"
    params: dict[str, Any] = {"ref": {"type": kind, **reference}, "argument": {"name": argument, "value": value}}
    if context:
        params["context"] = {"arguments": context}
    return Sample("completion/complete", params)


def clock_times(result: Any) -> Any:
    """Wall-clock times as JavaScript prints them, in texts and in base64 texts."""
    return _texts(result, lambda text: re.sub(r"\d{1,2}:\d\d:\d\d\s[AP]M", "<time>", _decoded(text)))


def instants(result: Any) -> Any:
    """Points in time in ISO form."""
    return _texts(result, lambda text: re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "<instant>", text))


def file_times(result: Any) -> Any:
    """When a file was made, changed and read."""
    return _texts(result, lambda text: re.sub(r"(?m)^(created|modified|accessed): .*$", r"\1: <time>", text))


def environments(result: Any) -> Any:
    """The values of a printed environment: the gateway gives a child its own."""
    return _texts(result, lambda text: "<environment>" if text.startswith("{") else text)


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _texts(member, change) for name, member in value.items()}
    if isinstance(value, list):
        return [_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _decoded(text: str) -> str:
    if len(text) < 40 or not re.fullmatch(r"[A-Za-z0-9+/]+=*", text):
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:  # it was no base64, or no text
        return text
