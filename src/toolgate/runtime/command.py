"""Find the program of a definition before it is started, so that what is missing can be said in words."""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch

__all__ = ["found"]

_INSTALL: Final = {
    "node": "install Node.js",
    "npm": "install Node.js",
    "npx": "install Node.js",
    "uv": "install uv",
    "uvx": "install uv",
    "python": "install Python, or write python3",
    "python3": "install Python",
    "docker": "install Docker",
    "podman": "install Podman",
    "bun": "install Bun",
    "bunx": "install Bun",
    "deno": "install Deno",
    "pnpm": "install pnpm",
    "go": "install Go",
    "java": "install a Java runtime",
}
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_WINDOWS_SCRIPT: Final = re.compile(r"\.(cmd|bat|ps1|exe)$", re.IGNORECASE)


def found(launch: Launch) -> tuple[str, str | None]:
    """The program's path and the working directory. Raises `StartFailed` with what to do about it."""
    cwd = os.path.expanduser(launch.cwd) if launch.cwd else None
    if cwd and not Path(cwd).is_dir():
        raise StartFailed(f"its working directory {launch.cwd} does not exist", hint="create it or correct cwd")
    command = os.path.expanduser(launch.command)
    _refuse_windows(command, launch.args)
    if os.sep in command:
        return _at_path(Path(cwd or ".", command), command), cwd
    path = shutil.which(command, path=launch.environment.get("PATH", os.defpath))
    if path is None:
        advice = _INSTALL.get(command, "install it, or write its full path")
        raise StartFailed(f"{command} is not on PATH", hint=f"{command} is not on PATH: {advice}")
    return os.path.abspath(path), cwd


def _at_path(path: Path, command: str) -> str:
    if not path.exists():
        raise StartFailed(f"{command} does not exist", hint="correct the path in command")
    if path.is_dir() or not os.access(path, os.X_OK):
        raise StartFailed(f"{command} is not executable", hint=f"make it so: chmod +x {command}")
    return str(path.absolute())


def _refuse_windows(command: str, args: tuple[str, ...]) -> None:
    if os.name == "nt":
        return
    name = command.lower()
    if name in {"cmd", "cmd.exe"} and args and args[0].lower() in {"/c", "/k"}:
        program = args[1] if len(args) > 1 else "the program"
        raise StartFailed(
            "its definition was written for Windows: it starts cmd /c",
            hint=f"on this machine the command is {program} itself, without cmd /c",
        )
    if _WINDOWS_PATH.match(command):
        raise StartFailed("its command is a Windows path", hint="write the path that it has on this machine")
    if _WINDOWS_SCRIPT.search(command) and os.sep not in command and shutil.which(command) is None:
        raise StartFailed(
            f"its definition was written for Windows: it starts {command}",
            hint=f"on this machine the command is {_WINDOWS_SCRIPT.sub('', command)}",
        )
