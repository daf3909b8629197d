"""Which package a command starts, as far as its words tell: `npx -y server@1.2`, `uvx server`, `docker run server`."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final, NamedTuple

__all__ = ["Started", "started"]

_RUNNERS: Final = {
    ("npx",): "npm",
    ("bunx",): "npm",
    ("pnpx",): "npm",
    ("bun", "x"): "npm",
    ("pnpm", "dlx"): "npm",
    ("yarn", "dlx"): "npm",
    ("npm", "exec"): "npm",
    ("npm", "x"): "npm",
    ("uvx",): "pypi",
    ("uv", "tool", "run"): "pypi",
    ("pipx", "run"): "pypi",
    ("docker", "run"): "oci",
    ("podman", "run"): "oci",
}
# Options that name the package, with the program behind it, and options with another value.
_PACKAGE: Final = frozenset({"-p", "--package", "--from", "--spec"})
_VALUED: Final = frozenset({"--with", "-w", "--python", "--index-url", "--registry", "-c", "--call"})
_NPM: Final = re.compile(r"(@[^@/]+/[^@]+|[^@]+)(?:@.*)?")
_PYPI: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*\])?(?:[@=<>~!;].*)?")
_IMAGE: Final = re.compile(
    r"(?=.*[/:])([a-z0-9][a-z0-9._-]*(?::\d+/)?[a-z0-9._/-]*)(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?"
)
_SEPARATORS: Final = re.compile(r"[-_.]+")


class Started(NamedTuple):
    """`args` are those of the program itself."""

    registry: str
    name: str
    args: tuple[str, ...]


def started(command: str, args: Sequence[str]) -> Started | None:
    """None where the words do not tell."""
    words = (PurePath(command).name.removesuffix(".cmd").removesuffix(".exe"), *args)
    for lead, registry in _RUNNERS.items():
        if words[: len(lead)] == lead:
            return _image(words[len(lead) :]) if registry == "oci" else _package(registry, words[len(lead) :])
    return None


def _package(registry: str, words: Sequence[str]) -> Started | None:
    named = ""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option in _PACKAGE | _VALUED and not equals:
            value = rest.pop(0) if rest else ""
        named = named or (value if option in _PACKAGE else "")
        # `uvx --python 3.12` is a value, `npx -p` is a package; `uvx -p` is a Python too.
        named = "" if registry == "pypi" and option == "-p" else named
    if not rest:
        return None
    name = (_NPM if registry == "npm" else _PYPI).fullmatch(named or rest[0])
    if name is None:
        return None
    return Started(registry, _SEPARATORS.sub("-", name[1].lower()) if registry == "pypi" else name[1], tuple(rest[1:]))


def _image(words: Sequence[str]) -> Started | None:
    """The first word that can be nothing but an image; what options of `run` there are changes with each engine."""
    for at, word in enumerate(words):
        if not word.startswith(("-", "/", ".")) and "=" not in word and (image := _IMAGE.fullmatch(word)):
            return Started("oci", image[1], tuple(words[at + 1 :]))
    return None
