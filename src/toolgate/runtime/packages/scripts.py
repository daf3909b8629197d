"""The programs of a virtual environment that was moved after it was made."""

import configparser
import hashlib
import re
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.packages.index import normal
from toolgate.runtime.packages.manifest import Program
from toolgate.runtime.packages.package import Package

__all__ = ["program", "set_free"]

# What pip and uv write as the first line, or the first three where the path is long.
_HEAD: Final = re.compile(rb"#!(?:/bin/sh\n'''exec' \S*python\S* [^\n]*\n' '''|[^\n]*python[^\n]*)\n")
_FREE: Final = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""


def set_free(folder: Path) -> None:
    """Let its scripts find the interpreter beside them, wherever they are."""
    for script in _scripts(folder):
        raw = script.read_bytes()
        if match := _HEAD.match(raw):
            script.write_bytes(_FREE + raw[match.end() :])


def program(package: Package, folder: Path) -> Program:
    """Raises `StartFailed` where it has no such program."""
    offered = {script.name: script for script in _scripts(folder)}
    script = next((offered[name] for name in _names(package, folder) if name in offered), None)
    if script is None and re.fullmatch(r"python3?", package.binary):
        return _made("./venv/bin/python", (), folder, folder / "venv" / "pyvenv.cfg")
    if script is None:
        own = sorted(_own(package, folder))
        has = f"it has {', '.join(own)}: --from {package.spec} NAME" if own else "is it a library?"
        raise StartFailed(f"{package.spec} has no program {package.binary}", hint=has)
    place = f"./venv/bin/{script.name}"
    if script.read_bytes().startswith(_FREE):
        return _made("./venv/bin/python", (place,), folder, script)
    return _made(place, (), folder, script)


def _made(command: str, arguments: tuple[str, ...], folder: Path, entry: Path) -> Program:
    sha256 = hashlib.sha256(entry.read_bytes()).hexdigest()
    return Program(command, arguments, f"./{entry.relative_to(folder)}", sha256, "./venv/bin")


def _scripts(folder: Path) -> list[Path]:
    found = (folder / "venv" / "bin").iterdir()
    return [file for file in found if file.is_file() and not file.is_symlink() and file.stat().st_mode & 0o100]


def _names(package: Package, folder: Path) -> list[str]:
    """What it may be called: as written, as packages are called, or otherwise if it is the only one."""
    own = _own(package, folder)
    only = list(own) if len(own) == 1 and normal(package.binary) == normal(package.name) else []
    return [package.binary, normal(package.binary), normal(package.binary).replace("-", "_"), *only]


def _own(package: Package, folder: Path) -> set[str]:
    """The console scripts of the package itself (entry points specification, `entry_points.txt`)."""
    for info in folder.glob("venv/lib/python*/site-packages/*.dist-info"):
        if normal(info.name.partition("-")[0]) == normal(package.name) and (info / "entry_points.txt").exists():
            parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
            parser.optionxform = str  # type: ignore[assignment, method-assign]
            parser.read_string((info / "entry_points.txt").read_text())
            return set(parser["console_scripts"]) if parser.has_section("console_scripts") else set()
    return set()
