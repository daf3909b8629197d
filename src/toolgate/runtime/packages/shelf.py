"""The folder of installed packages.

    <digest>/          one whole install, never changed again; named for what it holds
    by-spec/<digest>   a link to the install that a command line means, until it is told to mean a newer one
    partial-<digest>-* being installed, or rubbish of an install that was killed
    locks/<digest>     held by whoever installs for this command line

Blocks: call it from a thread where more than a few files are touched.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from toolgate.runtime.packages import locks, manifest
from toolgate.runtime.packages.manifest import MANIFEST, Manifest

__all__ = ["Shelf", "size_of"]

_PARTIAL: Final = "partial-"
_KEPT: Final = 64  # installs
_BYTES: Final = 20 * 2**30  # of all of them


class Shelf:
    """`kept` and `total` (bytes) bound what stays; what runs stays over that."""

    def __init__(self, folder: Path, *, kept: int = _KEPT, total: int = _BYTES) -> None:
        self.folder = folder.absolute()
        self._kept = kept
        self._total = total
        self._in_use: dict[Path, int] = {}

    def find(self, key: str) -> tuple[Path, Manifest] | None:
        """What this key means, marked as used now and held until `close`; None where it is to be installed."""
        folder = Path(os.path.realpath(self.folder / "by-spec" / key))
        if (installed := manifest.read(folder)) is None or not self._hold(folder):
            return None
        os.utime(folder / MANIFEST)
        return folder, installed

    def lock(self, key: str) -> int | None:
        """None where another process installs for this key. Let it go with `unlock`."""
        for name in ("by-spec", "locks"):
            (self.folder / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        return locks.take(self.folder / "locks" / key)

    def unlock(self, key: str, held: int) -> None:
        (self.folder / "locks" / key).unlink(missing_ok=True)
        locks.let_go(held)

    def begin(self, key: str) -> Path:
        """A folder to install into."""
        return Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{key}-", dir=self.folder))

    def finish(self, key: str, partial: Path, installed: Manifest) -> Path:
        """Make it whole under its name, and what the key means. One that is there already, and whole, is kept."""
        manifest.write(partial, installed)
        partial.chmod(0o755)
        whole = self.folder / installed.content
        if manifest.read(whole) is None:
            self.discard(whole)
            partial.rename(whole)
        else:
            self.discard(partial)
        link = self.folder / "by-spec" / f".{partial.name}"
        link.symlink_to(Path("..") / whole.name)
        link.replace(self.folder / "by-spec" / key)
        return whole

    def discard(self, folder: Path) -> None:
        """Remove a folder, out of everyone's way first."""
        if folder.exists():
            aside = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}gone-", dir=self.folder))
            folder.rename(aside / "x")
            shutil.rmtree(aside, ignore_errors=True)

    def clean(self) -> None:
        """Remove what killed installs left, and the longest unused installs over the bounds."""
        for partial in self.folder.glob(f"{_PARTIAL}*"):
            key = partial.name.removeprefix(_PARTIAL).partition("-")[0]
            if (held := self.lock(key)) is not None:
                shutil.rmtree(partial, ignore_errors=True)
                self.unlock(key, held)
        count, total = 0, 0
        for folder in self._by_use():
            count, total = count + 1, total + size_of(folder)
            if count > self._kept or total > self._total:
                self._drop(folder)

    def names(self) -> set[str]:
        """Of all packages that are installed, for near misses."""
        found = (manifest.read(folder) for folder in self._by_use())
        return {installed.name for installed in found if installed is not None}

    def close(self) -> None:
        while self._in_use:
            locks.let_go(self._in_use.popitem()[1])

    def _hold(self, folder: Path) -> bool:
        """Nobody removes it while this process lives."""
        if folder not in self._in_use and (held := locks.share(folder / MANIFEST)) is not None:
            self._in_use[folder] = held
        return folder in self._in_use

    def _drop(self, folder: Path) -> None:
        """Unless somebody runs it."""
        if folder not in self._in_use and (held := locks.take(folder / MANIFEST)) is not None:
            self.discard(folder)
            locks.let_go(held)

    def _by_use(self) -> list[Path]:
        """Most recently used first."""
        used = {found.parent: found.stat().st_mtime for found in self.folder.glob(f"*/{MANIFEST}")}
        return sorted((path for path in used if not path.name.startswith(_PARTIAL)), key=lambda path: -used[path])


def size_of(folder: Path) -> int:
    """Bytes on disk, hard links counted each time; what vanishes meanwhile counts as nothing."""
    total, folders = 0, [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:  # removed while we look
            continue
    return total
