"""The programs that install, and the interpreters that run what they installed."""

import asyncio
import importlib.util
import os
import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed

__all__ = ["Node", "Python", "Tools", "clean_environment", "platform_name"]

_VERSION: Final = re.compile(r"\d+\.\d+(?:\.\d+)?\S*")
_SETTING: Final = re.compile(r"^(globalconfig|registry)=(.*)$", re.MULTILINE)
_SECONDS: Final = 20.0
_PASSED: Final = re.compile(
    r"SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|PIP_CERT|(?:HTTP|HTTPS|ALL|NO)_PROXY", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Node:
    node: str
    npm: str
    version: str


@dataclass(frozen=True, slots=True)
class Python:
    """`uv` is empty where it is not here, `pip` is the interpreter that has pip, empty where none has."""

    python: str
    uv: str
    pip: str
    version: str


class Tools:
    """Found on the PATH that a server gets. What a version is costs a process, so it is asked once of each file."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int, int], str] = {}

    async def node(self, runner: str, path: str) -> Node | None:
        """The Node.js and npm beside the runner, or on PATH; None where either is missing."""
        node, npm = await asyncio.to_thread(_found, _path(runner, path), "node", "npm")
        return Node(node, npm, await self._version(node)) if node and npm else None

    async def python(self, runner: str, path: str, wanted: str) -> Python | None:
        """None where the interpreter that is wanted is not here, or nothing that can install."""
        names = ("uv", "python3", _interpreter(wanted))
        uv, python3, python = await asyncio.to_thread(_found, _path(runner, path), *names)
        pip = sys.executable if importlib.util.find_spec("pip") is not None else python3
        return Python(python, uv, pip, await self._version(python)) if python and (uv or pip) else None

    async def npm_settings(self, node: Node) -> dict[str, str]:
        """`globalconfig`, the file of this machine, and `registry`, which is used where nothing names one."""
        path = os.pathsep.join((_folder(node.node), os.defpath))
        return dict(
            _SETTING.findall(await self._answer(node.npm, "config", "get", "globalconfig", "registry", path=path))
        )

    async def _version(self, program: str) -> str:
        words = await self._answer(program, "--version", path=os.defpath)
        found = _VERSION.search(words)
        if found is None:
            raise StartFailed(f"{program} --version did not say a version", hint="install it again")
        return found[0]

    async def _answer(self, program: str, *args: str, path: str) -> str:
        """The same as long as the file is."""
        stat = await asyncio.to_thread(os.stat, program)
        key = (program, stat.st_mtime_ns, stat.st_size)
        if key not in self._answers:
            self._answers[key] = await _ask(program, *args, path=path)
        return self._answers[key]


def clean_environment(parent: Mapping[str, str], home: Path, *programs: str) -> dict[str, str]:
    """What an installer gets: where to find programs and certificates, and a home that is thrown away."""
    folders = dict.fromkeys([*map(_folder, programs), "/usr/local/bin", "/usr/bin", "/bin"])
    passed = {name: value for name, value in parent.items() if _PASSED.fullmatch(name)}
    return passed | {"PATH": os.pathsep.join(folders), "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}


def platform_name() -> str:
    """What compiled files are for."""
    return "-".join((sysconfig.get_platform(), *platform.libc_ver()))


def _folder(program: str) -> str:
    return os.path.dirname(os.path.abspath(os.path.expanduser(program))) if os.sep in program else ""


def _path(runner: str, path: str) -> str:
    return os.pathsep.join(filter(None, [_folder(runner), path]))


def _found(path: str, *programs: str) -> list[str]:
    """Where they are; empty for what is not there."""
    found = (shutil.which(program, path=path) for program in programs)
    return [os.path.abspath(program) if program else "" for program in found]


def _interpreter(wanted: str) -> str:
    """Our own wherever it will do: it is surely there, and can make environments."""
    version = wanted.removeprefix("python")
    ours = f"{platform.python_version()}."
    if not version or version == "3" or ours.startswith(f"{version}."):
        return sys.executable
    return wanted if wanted.startswith("/") else f"python{version}"


async def _ask(program: str, *args: str, path: str) -> str:
    try:
        child = await asyncio.create_subprocess_exec(
            program,
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": path},
            cwd="/",
        )
    except OSError as error:
        raise StartFailed(f"{program} could not be started: {error.strerror}", hint="install it again") from None
    try:
        async with asyncio.timeout(_SECONDS):
            words, _ = await child.communicate()
    except TimeoutError:
        raise StartFailed(f"{program} {' '.join(args)} did not answer", hint="install it again") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return words.decode(errors="replace")
