"""The command line of a package runner, understood; or left alone where it is not surely understood."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from toolgate.runtime.packages.package import Ecosystem, Package

__all__ = ["is_runner", "parse"]

_NPM_NAME: Final = r"(?:@[a-z0-9~][a-z0-9._~-]*/)?[A-Za-z0-9~_][A-Za-z0-9._~-]*"
_NPM_SPEC: Final = re.compile(rf"{_NPM_NAME}(?:@[A-Za-z0-9^~<>=*][A-Za-z0-9._+^~<>=*-]*)?")
_PYPI_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PYPI_HEAD: Final = rf"(?P<name>{_PYPI_NAME})(?P<extras>\[{_PYPI_NAME}(?:,{_PYPI_NAME})*\])?"
_VERSION: Final = r"[A-Za-z0-9][A-Za-z0-9.*+!_-]*"
_CLAUSE: Final = rf"(?:===?|~=|!=|<=?|>=?){_VERSION}"
_PYPI_SPEC: Final = re.compile(rf"{_PYPI_HEAD}(?:@(?P<at>{_VERSION})|(?P<clauses>{_CLAUSE}(?:,{_CLAUSE})*))?")
_PYTHON: Final = re.compile(r"(?:python)?\d+(?:\.\d+){0,2}|/[^\0]+")
_BINARY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class _Runner:
    """How one runner reads its command line. Options that are not named here are not understood, so that nothing is
    dropped silently."""

    ecosystem: Ecosystem
    switches: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    extras: frozenset[str] = frozenset()
    python: frozenset[str] = frozenset()
    dashes: bool = False
    """A `--` before the package is understood."""
    mixed: bool = False
    """Its options are recognised behind the package too, up to a `--`, which is taken away."""


_QUIET: Final = frozenset({"-q", "--quiet", "-s", "--silent"})
_NPX: Final = _QUIET | {"-y", "--yes", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"}
_NPM_PACKAGE: Final = frozenset({"-p", "--package"})
_UVX: Final = _Runner(
    Ecosystem.PYPI,
    frozenset({"-q", "--quiet", "--isolated", "--no-progress"}),
    frozenset({"--from"}),
    frozenset({"--with", "-w"}),
    frozenset({"--python", "-p"}),
)
_NPM_EXEC: Final = _Runner(Ecosystem.NPM, _NPX, frozenset({"--package"}), mixed=True)
_BUNX: Final = _Runner(Ecosystem.NPM, frozenset({"--silent"}), _NPM_PACKAGE)
_RUNNERS: Final[dict[tuple[str, ...], _Runner]] = {
    ("npx",): _Runner(Ecosystem.NPM, _NPX, _NPM_PACKAGE, dashes=True),
    ("npm", "exec"): _NPM_EXEC,
    ("npm", "x"): _NPM_EXEC,
    ("bunx",): _BUNX,
    ("bun", "x"): _BUNX,
    ("pnpm", "dlx"): _Runner(Ecosystem.NPM, frozenset({"--silent"}), frozenset({"--package"})),
    ("pnpx",): _Runner(Ecosystem.NPM, frozenset({"--silent"}), frozenset({"--package"})),
    ("yarn", "dlx"): _Runner(Ecosystem.NPM, frozenset({"-q", "--quiet"}), _NPM_PACKAGE),
    ("uvx",): _UVX,
    ("uv", "tool", "run"): _UVX,
    ("pipx", "run"): _Runner(
        Ecosystem.PYPI, frozenset({"-q", "--quiet"}), frozenset({"--spec"}), python=frozenset({"--python"})
    ),
}


@dataclass(slots=True)
class _Read:
    packages: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    python: str = ""
    rest: list[str] = field(default_factory=list)


def is_runner(command: str, args: Sequence[str]) -> bool:
    """Whether this is a runner at all, understood or not."""
    return _runner(command, args) is not None


def parse(command: str, args: Sequence[str]) -> Package | None:
    """None where it is no package runner, or where it asks for what is not surely understood: another source than the
    registry, a shell line, an unknown option."""
    found = _runner(command, args)
    if found is None:
        return None
    runner, args = found
    read = _read(runner, list(args))
    if read is None or not read.rest:
        return None
    return _npm(read) if runner.ecosystem is Ecosystem.NPM else _pypi(read)


def _runner(command: str, args: Sequence[str]) -> tuple[_Runner, Sequence[str]] | None:
    words = (PurePath(command).name, *args)
    for lead, runner in _RUNNERS.items():
        if words[: len(lead)] == lead:
            return runner, words[len(lead) :]
    return None


def _read(runner: _Runner, args: list[str]) -> _Read | None:
    read, behind = _Read(), []
    if runner.mixed and "--" in args:
        at = args.index("--")
        args, behind = args[:at], args[at + 1 :]
    while args and args[0].startswith("-"):
        option = args.pop(0)
        if option == "--" and runner.dashes:
            break
        if option not in runner.switches and not _valued(runner, read, option, args):
            return None
    if runner.mixed and any(word.startswith("-") for word in args):
        return None
    if not runner.mixed and not runner.dashes and args[1:2] == ["--"]:
        return None  # runners differ in whether the program sees it
    read.rest = args + behind
    return read


def _valued(runner: _Runner, read: _Read, option: str, args: list[str]) -> bool:
    """Take an option with its value, `--name=value` or `--name value`; False where it is unknown."""
    name, equals, value = option.partition("=")
    if not equals:
        if name not in runner.packages | runner.extras | runner.python or not args:
            return False
        value = args.pop(0)
    elif not name.startswith("--"):
        return False
    if not value or value.startswith("-"):
        return False
    if name in runner.packages:
        read.packages.append(value)
    elif name in runner.extras:
        read.extras.append(value)
    elif name in runner.python and _PYTHON.fullmatch(value):
        read.python = value
    else:
        return False
    return True


def _npm(read: _Read) -> Package | None:
    first, arguments = read.rest[0], tuple(read.rest[1:])
    packages, binary = (read.packages, first) if read.packages else ([first], "")
    if not all(map(_NPM_SPEC.fullmatch, packages)) or (binary and not _BINARY.fullmatch(binary)):
        return None
    return Package(Ecosystem.NPM, packages[0], tuple(packages[1:]), binary, arguments)


def _pypi(read: _Read) -> Package | None:
    first, arguments = read.rest[0], tuple(read.rest[1:])
    if len(read.packages) > 1 or first.endswith(".py"):
        return None
    spec = _requirement(read.packages[0] if read.packages else first)
    extras = [_requirement(part) for text in read.extras for part in _listed(text)]
    match = _PYPI_SPEC.fullmatch(first)
    if spec is None or None in extras or match is None or (read.packages and not _BINARY.fullmatch(first)):
        return None
    binary = first if read.packages else match["name"]
    return Package(Ecosystem.PYPI, spec, tuple(filter(None, extras)), binary, arguments, read.python)


def _listed(text: str) -> list[str]:
    """`a,b` is two requirements, `a>=1,<2` is one."""
    return [text] if _PYPI_SPEC.fullmatch(text) else text.split(",")


def _requirement(text: str) -> str | None:
    """In the words of PEP 508, which has no `name@1.2` and no `name@latest`."""
    match = _PYPI_SPEC.fullmatch(text.replace(" ", ""))
    if match is None:
        return None
    name = match["name"] + (match["extras"] or "")
    if match["at"]:
        return name if match["at"] == "latest" else f"{name}=={match['at']}"
    return name + (match["clauses"] or "")
