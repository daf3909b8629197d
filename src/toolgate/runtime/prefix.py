"""The folder that a program is installed in: of an interpreter, a virtual environment, a package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["editable", "interpreter", "package", "prefix"]

# Version changers: what they put on PATH is a script that looks around in all of theirs.
_CHANGERS: Final = frozenset(
    (".pyenv", ".nvm", ".volta", ".asdf", ".bun", ".deno", ".rustup", ".sdkman", ".rbenv", ".fnm", "mise")
)
_MANIFESTS: Final = ("package.json", "pyproject.toml", "setup.py", "deno.json", "Gemfile", "node_modules")
_UP: Final = 6  # folders above a script in which its package may begin
_MAPPING: Final = re.compile(r"^MAPPING[^=]*=\s*(\{.*?\})", re.MULTILINE | re.DOTALL)


def prefix(program: Path) -> Path | None:
    """Where the program and its libraries are; None where it stands alone."""
    modules = None
    for folder in program.parents:
        if folder.name == "node_modules":
            modules = folder  # the outermost: packages find each other upwards
        elif modules is None and ((folder / "pyvenv.cfg").is_file() or folder.name in _CHANGERS):
            return folder
    above = program.parent.parent
    # `~/.local` has the shape of a prefix, and all of a person's applications.
    shaped = program.parent.name == "bin" and (above / "lib").is_dir() and above.name != ".local"
    return modules or (above if shaped else None)


def package(script: Path) -> Path | None:
    """The folder with the manifest of the package that a script belongs to."""
    near = [script.parent, *script.parent.parents][:_UP]
    return next((folder for folder in near if any((folder / name).exists() for name in _MANIFESTS)), None)


def interpreter(home: Path) -> Path | None:
    """The Python that a virtual environment was made from."""
    try:
        lines = (home / "pyvenv.cfg").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    told = next((line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"), "")
    return next((path for name in ("python3", "python") if told and (path := Path(told, name)).exists()), None)


def editable(home: Path) -> Iterator[Path]:
    """Folders outside of a Python prefix whose packages are installed there by reference."""
    for site in home.glob("lib/python3*/site-packages"):
        for file in site.glob("*.pth"):
            for line in _lines(file):
                if line.startswith("/"):
                    yield Path(line)
        for file in site.glob("__editable__*finder.py"):
            if match := _MAPPING.search("\n".join(_lines(file))):
                yield from _mapped(match[1])


def _mapped(text: str) -> Iterator[Path]:
    try:
        mapping = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return
    yield from (Path(path) for path in mapping.values() if isinstance(path, str))


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
