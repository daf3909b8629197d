"""Names of secrets in the built-in vault: `${vault:name}`, `${vault:name@version}`, in full `${vault:~owner/name}`."""

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from toolgate.model.owner import EVERYBODY

__all__ = ["VAULT", "VaultPath", "is_secret_name", "path_of", "reference_to", "within"]

VAULT: Final = "vault"
"""What stands before the colon."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_PATH: Final = re.compile(r"(?:~(?P<owner>[^/]*)/)?(?P<name>[^@]+)(?:@(?P<version>[1-9][0-9]{0,8}))?")
_BEGIN: Final = re.compile(r"\$\{vault:(?!-)")  # `${vault:-x}` is the name `vault` with a default


class VaultPath(NamedTuple):
    """`version` is None for the newest one."""

    owner: str
    name: str
    version: int | None


def is_secret_name(name: str) -> bool:
    """Letters, digits, `.`, `_`, `-` and `/`; at most 200."""
    return _NAME.fullmatch(name) is not None


def path_of(text: str) -> VaultPath | None:
    """What stands after the colon; None where it names nothing."""
    match = _PATH.fullmatch(text)
    if match is None or not is_secret_name(match["name"]):
        return None
    return VaultPath(unquote(match["owner"] or ""), match["name"], int(match["version"]) if match["version"] else None)


def reference_to(name: str, version: int) -> str:
    """What stands in a definition for this version of a secret of its owner's."""
    return f"${{{VAULT}:{name}@{version}}}"


def within(owner: str, text: str) -> str:
    """A text of an owner's definition with the names of its secrets in full. It cannot name another owner's: `~bob/x`
    becomes a name that no secret of its own has."""
    if owner == EVERYBODY:
        return text
    return _BEGIN.sub(lambda begin: f"{begin[0]}~{quote(owner, safe=':')}/", text)
