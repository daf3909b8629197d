"""The programs of this machine that bubblewrap's walls are built with."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from toolgate.errors import StartFailed

__all__ = ["Tools", "find_tools"]

_NESTS: Final = (0, 8)
_PATH: Final = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # what is run as root is not looked for on anybody's PATH
_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Tools:
    """Absolute paths. Without an `env` that can give SIGTERM its meaning back, a server is killed without having been
    asked to leave."""

    bwrap: str
    prlimit: str
    setpriv: str
    """Empty where nobody has to become somebody else."""
    env: str | None
    nests: bool
    """Whether bubblewrap can forbid further user namespaces (since 0.8)."""


def find_tools(*, root: bool) -> Tools:
    """Blocks for some milliseconds. Raises `StartFailed`."""
    bwrap = _needed("bwrap", "bubblewrap")
    prlimit = _needed("prlimit", "util-linux")
    setpriv = _needed("setpriv", "util-linux") if root else ""
    release = re.search(r"(\d+)\.(\d+)", _said(bwrap, "--version"))
    nests = release is not None and (int(release[1]), int(release[2])) >= _NESTS
    env = shutil.which("env", path=_PATH)
    resets = env is not None and _said(env, "--default-signal=TERM", "echo", "yes") == "yes"
    return Tools(bwrap, prlimit, setpriv, env if resets else None, nests)


def _needed(name: str, package: str) -> str:
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise StartFailed(f"{name} is not installed", hint=f"install the package {package}")
    return path


def _said(*command: str) -> str:
    """What it printed; nothing where it failed."""
    try:
        done = subprocess.run(  # noqa: S603  # a fixed command
            command, capture_output=True, text=True, timeout=_SECONDS, check=True, env={"PATH": os.defpath}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
