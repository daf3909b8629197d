"""What an installer wrote, in words for the person who asked for the package."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.packages.package import Ecosystem, Package

__all__ = ["explained", "unpublished"]


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: re.Pattern[str]
    message: str
    hint: str


def _row(pattern: str, message: str, hint: str) -> _Row:
    return _Row(re.compile(pattern), message, hint)


# What the walls say of a host that they did not let through.
_REFUSAL: Final = re.compile(r"^\S+ was not reached: .*$", re.MULTILINE)
_TABLE: Final = (
    _row(
        r"ENOSPC|No space left on device|os error 28|EDQUOT|Disk quota exceeded",
        "the disk is full: {spec} could not be installed",
        "make room where Toolgate keeps its state, or name another place in TOOLGATE_STATE",
    ),
    _row(
        r"EINTEGRITY|EBADCHECKSUM|DO NOT MATCH THE HASHES|[Hh]ash mismatch|integrity checksum failed|TAR_BAD_ARCHIVE"
        r"|BadZipFile|has an invalid wheel",
        "what the registry sent for {spec} is not what it announced (integrity mismatch); nothing was installed",
        "try again; if it stays, do not use this version: it was changed, there or on its way here",
    ),
    _row(
        r"\bE401\b|\bE403\b|ENEEDAUTH|40[13] (?:Client )?Error|HTTP error 40[13]|\(40[13] |User for .*:",
        "the registry {hosts} does not let us have {spec}",
        "look at its token in .npmrc, pip.conf or the index URL, and at its expiry",
    ),
    _row(
        r"\bE404\b|404 Not Found|was not found in the package registry",
        "no package {name} is in the registry {hosts}",
        "look for a spelling mistake{near}",
    ),
    _row(
        r"requires a different Python|Requires-Python|[Rr]equires.{0,40}Python",
        "{spec} needs another Python than {runtime}",
        "install the one that it asks for, and name it: --python VERSION",
    ),
    _row(r"EBADENGINE", "{spec} needs another Node.js than {runtime}", "install the one that it asks for"),
    _row(
        r"was not reached: |ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
        r"|ERR_SOCKET_TIMEOUT"
        r"|Max retries exceeded|NewConnectionError|ConnectTimeout|Failed to establish|Could not connect"
        r"|[Cc]onnect(?:ion)? (?:refused|reset|timed out)|dns error|CERT_|certificate verify failed|\bE50[0-9]\b"
        r"|50[0-9] (?:Server|Client) Error|[Ff]ailed to fetch",
        "the registry {hosts} could not be reached to install {spec}{refusal}",
        "look at the network, the proxy and the registry's address; what is installed already needs none of them",
    ),
    _row(
        r"\bETARGET\b|from versions: (?!none|\))|there (?:is|are) no versions? of",
        "{name}, or something that it needs, has no version that {spec} could mean",
        "correct the version{offered}, or write {name} alone for the newest",
    ),
    _row(
        r"only-binary|from versions: none|building.{0,20}wheels? is disabled|no usable wheels|no matching wheel"
        r"|--no-build",
        "{spec}, or something that it needs, has no wheel for {runtime} here and would have to be built",
        "building runs its code: to accept that, install it yourself (pipx install {name}) and name its command",
    ),
    _row(
        r"No matching distribution found|No solution found|ResolutionImpossible|ERESOLVE|[Uu]nsatisfiable",
        "no set of versions satisfies {spec} and what it needs",
        "correct the version; the log of the gateway has the installer's words",
    ),
)


def explained(
    package: Package, text: str, *, hosts: Iterable[str], runtime: str, known: Iterable[str] = ()
) -> StartFailed:
    """`text` is what the installer wrote, `known` are names that may have been meant."""
    near = get_close_matches(package.name, set(known) - {package.name}, 1, 0.75)
    facts = {
        "spec": package.spec,
        "name": package.name,
        "hosts": ", ".join(hosts) or "of this machine's settings",
        "runtime": runtime,
        "offered": _offered(text),
        "refusal": f": {refusal[0]}" if (refusal := _REFUSAL.search(text)) else "",
        "near": f"; did you mean {near[0]}?" if near else "",
    }
    for row in _TABLE:
        if row.pattern.search(text):
            return StartFailed(row.message.format(**facts), hint=row.hint.format(**facts))
    words = [line.strip() for line in text.splitlines() if line.strip()]
    last = next((line for line in words if re.match(r"(?i)(npm )?error", line)), words[-1] if words else "no word")
    return StartFailed(
        f"{package.spec} could not be installed: {last[:300]}",
        hint="install it by hand to see why: " + _by_hand(package),
    )


def unpublished(package: Package, near: Iterable[str], hosts: Iterable[str]) -> StartFailed:
    """For an index that knows no such project."""
    return explained(package, "E404", hosts=hosts, runtime="", known=near)


def _offered(text: str) -> str:
    """The last few of the versions that the installer saw."""
    match = re.search(r"from versions: (?!none)([^)]+)\)", text)
    return f" (there is {', '.join(re.findall(r'[0-9][^ ,]*', match[1])[-3:])})" if match else ""


def _by_hand(package: Package) -> str:
    if package.ecosystem is Ecosystem.NPM:
        return f"npm install {package.spec}"
    return f"pip install '{package.spec}'"
