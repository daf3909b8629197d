"""What of this machine a server has to see in order to run: its interpreter, its package, what its arguments name."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from toolgate.model.profile import Mount
from toolgate.runtime.base import Launch
from toolgate.runtime.prefix import editable, interpreter, package, prefix

__all__ = ["SYSTEM", "hidden", "looks_around", "visible"]

SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/sys", "/dev", "/run",
)  # fmt: skip
"""What every sandbox shows in its own way, or not at all."""

_WIDE: Final = frozenset(
    ("/", "/home", "/root", "/Users", "/tmp", "/var", "/var/tmp", "/var/lib", "/opt", "/srv", "/mnt", "/media")  # noqa: S108
)
_CREDENTIALS: Final = frozenset({
    ".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".netrc", ".git-credentials", ".password-store", ".pgpass",
    ".npmrc", ".pypirc", ".vault-token", ".mozilla", ".thunderbird", "gcloud", "gh", "keyrings", "google-chrome",
    "chromium", "credentials.toml",
})  # fmt: skip
_DOCUMENTS: Final = ("toolgate.yaml", "toolgate.yml")
_SCRIPTS: Final = frozenset(
    (".py", ".pyz", ".js", ".cjs", ".mjs", ".ts", ".mts", ".rb", ".sh", ".pl", ".php", ".lua", ".jar")
)
# Where a person's session has its things; of no use inside, and not what a server was given.
_SESSION: Final = ("HOME", "PATH", "SHELL", "TMPDIR", "PWD", "OLDPWD", "XDG_")


def looks_around(command: str) -> bool:
    """Whether a program finds packages in the folders above the one that it starts in."""
    return Path(command).name in {"npx", "npm", "pnpm", "bunx"}


def visible(launch: Launch, program: str, apart: str = "") -> tuple[Mount, ...]:
    """Parents before what is in them, nothing twice. Never a home as a whole, nor where credentials are kept; what
    the profile mounts is the operator's own word. `apart` is a folder that is hidden from whoever sees what it is in,
    so that what is shown of it is not shown with that. Looks at files, so it is not for the event loop."""
    barred = _homes(launch)
    cwd = Path(launch.cwd or os.getcwd()).expanduser()
    named = {
        str(found)
        for path in (*_of_program(Path(program), launch), *_of_arguments(launch, cwd))
        if (found := _bearable(path, barred)) is not None
    }
    if looks_around(launch.command):
        above = [folder / "node_modules" for folder in (cwd, *cwd.parents)]
        named.update(str(hop) for folder in above if folder.is_dir() for hop in _hops(folder) if _bearable(hop, barred))
    if launch.cwd and _bearable(cwd, barred):
        named.add(str(cwd))
    return _ordered([*(Mount(path) for path in named), *launch.profile.mounts], apart)


def hidden(mounts: Iterable[Mount], *others: str) -> tuple[str, ...]:
    """What lies in a folder that is shown and must not be: credentials, the gateway's own document with the `.env`
    beside it, and of `others` what exists there. A path that is itself a mount was asked for."""
    asked = {mount.path for mount in mounts}
    found: set[str] = set()
    for folder in map(Path, asked):
        names = set(_CREDENTIALS)
        if any((folder / name).exists() for name in _DOCUMENTS):
            names.update((*_DOCUMENTS, ".env"))
        found.update(str(folder / name) for name in names if (folder / name).exists())
        found.update(other for other in others if Path(other).is_relative_to(folder) and Path(other).exists())
    return tuple(sorted(found - asked))


def _of_program(program: Path, launch: Launch, depth: int = 4) -> Iterator[Path]:
    """It, every link on the way to it, and whatever runs it; `depth` bounds scripts that are run by scripts."""
    last = program
    for last in _hops(program):
        home = prefix(last)
        yield home or last
        if home is not None and (base := interpreter(home)) is not None:
            for hop in _hops(base):
                yield prefix(hop) or hop
        if home is not None:
            yield from editable(home)
    if depth and (runner := _shebang(last, launch)) is not None:
        yield from _of_program(runner, launch, depth - 1)


def _hops(path: Path) -> Iterator[Path]:
    for _ in range(16):
        yield path
        if not path.is_symlink():
            break
        path = Path(os.path.normpath(path.parent / path.readlink()))
    if (real := Path(os.path.realpath(path))) != path:
        yield real


def _shebang(path: Path, launch: Launch) -> Path | None:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return None
    words = os.fsdecode(head.partition(b"\n")[0][2:]).split() if head.startswith(b"#!") else []
    if not words:
        return None
    if Path(words[0]).name != "env":
        return Path(words[0])
    name = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
    found = shutil.which(name, path=launch.environment.get("PATH", os.defpath)) if name else None
    return Path(found) if found else None


def _of_arguments(launch: Launch, cwd: Path) -> Iterator[Path]:
    texts = [part for text in launch.args for part in {text, text.partition("=")[2]}]
    texts += [
        part
        for name, value in launch.environment.items()
        if not name.startswith(_SESSION)
        for part in value.split(os.pathsep)
    ]
    for text in texts:
        if not text or "\0" in text or len(text) > os.pathconf("/", "PC_PATH_MAX"):
            continue
        path = Path(os.path.normpath(cwd / Path(text)))
        # A bare word is rarely a path; a script beside where it starts is.
        if (text.startswith("/") or path.suffix in _SCRIPTS or text.startswith("./")) and os.path.exists(path):
            yield from _of_argument(path)


def _of_argument(path: Path) -> Iterator[Path]:
    for hop in _hops(path):
        if hop.is_file() and hop.suffix in _SCRIPTS:
            yield prefix(hop) or package(hop) or hop.parent
        yield hop


def _homes(launch: Launch) -> frozenset[str]:
    homes = {str(Path.home()), launch.environment.get("HOME", "/")}
    return frozenset(homes | {os.path.realpath(home) for home in homes})


def _bearable(path: Path, homes: frozenset[str]) -> Path | None:
    """The path if it may be shown unasked."""
    text = str(path)
    if not path.is_absolute() or any(path.is_relative_to(system) for system in SYSTEM) or text in _WIDE:
        return None
    if any(Path(home).is_relative_to(path) for home in homes) or not _CREDENTIALS.isdisjoint(path.parts):
        return None
    return path if path.is_file() or path.is_dir() else None


def _ordered(mounts: Iterable[Mount], apart: str) -> tuple[Mount, ...]:
    kept: list[Mount] = []
    for mount in sorted(mounts, key=lambda mount: (Path(mount.path).parts, not mount.writable)):
        path, inside = Path(mount.path), apart and Path(mount.path).is_relative_to(apart)
        around = [other for other in kept if path.is_relative_to(other.path)]
        if inside:
            around = [other for other in around if Path(other.path).is_relative_to(apart)]
        if not around or (mount.writable and not around[-1].writable):
            kept.append(mount)
    return tuple(kept)
