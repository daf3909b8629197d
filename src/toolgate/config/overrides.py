"""Environment variables that override single settings: `TOOLGATE_TIMEOUT=5`, `TOOLGATE_LIMITS__REQUEST_BYTES=1MiB`."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel

from toolgate.config.model import Document
from toolgate.config.reader import Location

__all__ = ["apply", "misspelt", "variables"]

PREFIX: Final = "TOOLGATE_"
_LISTS: Final = frozenset({"sources", "allowed_hosts", "allowed_origins", "network", "mounts", "requires", "accept"})
# A version that could be overridden would not say how the file is to be read; the maps have no single value.
_ONLY_IN_FILE: Final = frozenset({"version", "servers", "virtual_servers", "teams", "headers"})


def variables() -> dict[str, Location]:
    """Every variable that overrides a setting, and the setting: `TOOLGATE_<FIELD>`, `TOOLGATE_<GROUP>__<FIELD>`."""
    found: dict[str, Location] = {}
    for name, info in Document.model_fields.items():
        if name in _ONLY_IN_FILE:
            continue
        group = info.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            members = group.model_fields.keys() - _ONLY_IN_FILE
            found |= {f"{PREFIX}{name}__{member}".upper(): (name, member) for member in sorted(members)}
        else:
            found[f"{PREFIX}{name}".upper()] = (name,)
    return found


def apply(data: Mapping[str, Any], env: Mapping[str, str]) -> tuple[dict[str, Any], dict[Location, str]]:
    """The document with the overrides laid over it, and which setting came from which variable.

    A variable that is set to nothing overrides nothing. Lists are written with commas.
    """
    merged = dict(data)
    origins: dict[Location, str] = {}
    for variable, location in variables().items():
        text = env.get(variable, "").strip()
        if not text:
            continue
        value: Any = [part.strip() for part in text.split(",") if part.strip()] if location[-1] in _LISTS else text
        if len(location) == 1:
            merged[str(location[0])] = value
        else:
            group = merged.get(str(location[0]))
            if group is not None and not isinstance(group, Mapping):
                continue  # the file's own mistake is reported instead
            merged[str(location[0])] = {**(group or {}), str(location[1]): value}
        origins[location] = variable
    return merged, origins


def misspelt(env: Mapping[str, str]) -> dict[str, str]:
    """Variables that override nothing but look as if they were meant to, and what they look like.

    Others with our prefix are left alone: they belong to other parts of Toolgate, or to other programs.
    """
    known = variables()
    strangers = [name for name in env if name.startswith(PREFIX) and name not in known]
    near = {name: get_close_matches(name, known, 1, 0.9) for name in strangers}
    return {name: matches[0] for name, matches in near.items() if matches}
