"""Reading files that other programs write: bounded, and never waiting on something that only looks like a file."""

import codecs
import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["Unreadable", "read_text"]

# A FIFO without a writer would block `open`; a terminal must not become ours.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
# Windows PowerShell 5 redirects into UTF-16 with a byte order mark.
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Unreadable(Exception):
    """`reason` says why in words; `missing` tells a file that is not there from one that cannot be read."""

    def __init__(self, reason: str, *, missing: bool = False, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing = missing
        self.line = line


def read_text(path: Path, limit: int) -> str:
    """The text of a regular file of at most `limit` bytes, without its byte order mark. Raises `Unreadable`."""
    try:
        descriptor = os.open(path, _FLAGS)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable(_kind(os.fstat(descriptor).st_mode))
            content = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable("there is no such file", missing=True) from None
    except OSError as error:
        raise Unreadable(_words(path, error)) from None
    except ValueError:  # a NUL in the path
        raise Unreadable("this is not the name of a file") from None
    if len(content) > limit:
        raise Unreadable(f"the file is larger than {limit // 1024} KiB")
    return _decode(content)


def _words(path: Path, error: OSError) -> str:
    # Windows answers "permission denied" for a folder, and Unix lets one be opened but not read.
    if path.is_dir():
        return _kind(stat.S_IFDIR)
    if isinstance(error, PermissionError):
        return "there is no permission to read it"
    return error.strerror or str(error)


def _kind(mode: int) -> str:
    return "this is a folder, not a file" if stat.S_ISDIR(mode) else "this is not a regular file"


def _decode(content: bytes) -> str:
    mark, encoding = next((known for known in _MARKS if content.startswith(known[0])), (b"", "utf-8"))
    content = content.removeprefix(mark)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"the file is not {encoding.upper()} text", line=line) from None
