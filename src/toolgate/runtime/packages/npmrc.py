"""Where npm gets packages from: of this user's settings those that name registries, and who is let in there."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = ["environment_of", "hosts_of", "kept_lines", "named_variables", "read"]

_WANTED: Final = re.compile(
    r"(?:(?:@[^:\s]+:)?registry|//[^=\s]+|cafile|ca(?:\[\])?|cert|key|strict-ssl|(?:https?-)?proxy|noproxy)",
    re.IGNORECASE,
)
_REGISTRY: Final = re.compile(r"(?:@[^:\s]+:)?registry", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\??\}")


def read(environment: Mapping[str, str], system_wide: str) -> list[str]:
    """The kept lines of the npmrc of this machine and of the one of this user, which npm reads over it."""
    home = Path(environment.get("HOME", "~")).expanduser()
    named = [value for name, value in environment.items() if name.lower() == "npm_config_userconfig"]
    files = [Path(system_wide or os.devnull), Path(named[0]) if named else home / ".npmrc"]
    return [line for file in files for line in kept_lines(_text(file))]


def kept_lines(text: str) -> list[str]:
    """The lines of an npmrc that matter here. A token stands under the registry that it is for (`//host/:_authToken`),
    and npm sends it nowhere else."""
    return [line.strip() for line in text.splitlines() if _WANTED.fullmatch(line.partition("=")[0].strip())]


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The same of an environment: npm reads every setting from `npm_config_…` as well."""
    kept = {}
    for name, value in variables.items():
        if name.lower().startswith("npm_config_"):
            setting = name[len("npm_config_") :]
            if _WANTED.fullmatch(setting if setting.startswith("//") else setting.replace("_", "-")):
                kept[f"npm_config_{setting if setting.startswith('//') else setting.lower()}"] = value
    return kept


def named_variables(lines: Iterable[str]) -> set[str]:
    """`${NAME}` in an npmrc is read from the environment."""
    return {name for line in lines for name in _VARIABLE.findall(line)}


def hosts_of(lines: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """`host` or `host:port` of every registry that is named."""
    found = []
    for line in lines:
        name, _, value = (part.strip() for part in line.partition("="))
        if _REGISTRY.fullmatch(name):
            address = _VARIABLE.sub(lambda match: variables.get(match[1], ""), value.strip("\"'"))
            if (host := urlsplit(address).netloc.rpartition("@")[2]) and host not in found:
                found.append(host)
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
