"""Unpacking an archive that somebody else made: nothing leaves the folder, and nothing grows beyond what is allowed."""

import os
import stat
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Final
from zlib import error as ZlibError  # noqa: N812

__all__ = ["HostileBundle", "unpack"]

MOST_FILES: Final = 20_000
LARGEST: Final = 512 * 2**20  # bytes of all files together
LARGEST_FILE: Final = 256 * 2**20
DENSEST: Final = 200  # times that a file may grow, beyond its first MiB
LONGEST: Final = 1024  # characters of a path
_CHUNK: Final = 2**20
_KNOWN: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_RESERVED: Final = frozenset({"con", "prn", "aux", "nul"}) | {
    f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10)
}


class HostileBundle(Exception):
    """`reason` says what is wrong with it, and quotes no name longer than 100 characters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def unpack(content: bytes, folder: Path) -> None:
    """Every file of a zip into `folder`, which is empty. What was executable stays so; nobody may write. Raises
    `HostileBundle`; then the folder may have some of the files in it."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = list(_entries(archive))
            left = LARGEST
            for entry, path in entries:
                left -= _written(archive, entry, folder / path, left)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ZlibError, EOFError, UnicodeError) as error:
        raise HostileBundle(f"is no zip that can be read: {error}") from None
    except RuntimeError:  # what zipfile raises for a password
        raise HostileBundle("is encrypted") from None
    for parent, _, _ in os.walk(folder, topdown=False):
        os.chmod(parent, 0o555)  # noqa: S103  # nobody may write there


def _entries(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, PurePosixPath]]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise HostileBundle(f"has more than {MOST_FILES} files")
    if sum(info.file_size for info in infos) > LARGEST:
        raise HostileBundle(f"is larger than {LARGEST // 2**20} MiB")
    seen: set[str] = set()
    for info in infos:
        path = _path(info)
        folded = str(path).casefold()
        if folded in seen:
            raise HostileBundle(f"has {_shown(info)} twice")
        seen.add(folded)
        _check(info)
        if not info.is_dir():
            yield info, path


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    # `orig_filename`: zipfile cuts names at a NUL, and turns separators of this system.
    name = info.orig_filename
    parts = name.rstrip("/").split("/")
    whole = name and len(name) <= LONGEST and not any(letter < " " or letter in '\\:*?"<>|\x7f' for letter in name)
    if not whole or any(part in {"", ".", ".."} or part.endswith((" ", ".")) for part in parts):
        raise HostileBundle(f"has a file that would be written elsewhere: {_shown(info)}")
    if any(part.partition(".")[0].lower() in _RESERVED for part in parts):
        raise HostileBundle(f"has a file that is a device on some systems: {_shown(info)}")
    return PurePosixPath(*parts)


def _check(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise HostileBundle(f"has a link or a device in it: {_shown(info)}")
    if info.flag_bits & 0x1:
        raise HostileBundle("is encrypted")
    if info.compress_type not in _KNOWN:
        raise HostileBundle(f"is compressed in a way that is not read here: {_shown(info)}")
    if info.file_size > LARGEST_FILE or info.file_size > _CHUNK + DENSEST * info.compress_size:
        raise HostileBundle(f"would grow too large: {_shown(info)}")


def _written(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o555 if (info.external_attr >> 16) & 0o111 else 0o444
    size = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with open(descriptor, "wb") as file, archive.open(info) as source:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > min(info.file_size, left):  # what the archive says of itself need not be true
                raise HostileBundle(f"would grow too large: {_shown(info)}")
            file.write(chunk)
    target.chmod(mode)
    return size


def _shown(info: zipfile.ZipInfo) -> str:
    return repr(info.orig_filename[:100])
