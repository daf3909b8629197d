"""Changing `toolgate.yaml` without disturbing what its owner wrote: comments, order and quotes stay."""

import os
import tempfile
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from toolgate.config.explain import explain
from toolgate.config.files import Unreadable, read_text
from toolgate.config.load import MAX_BYTES, parse_document
from toolgate.config.lock import locked
from toolgate.config.model import Document
from toolgate.errors import ConfigError

__all__ = ["add_server", "remove_server"]

_NEW: Final = "version: 1\n"


def add_server(path: Path, name: str, entry: Mapping[str, Any], *, replace: bool = False) -> None:
    """Write a server into the document, which is made (for its owner alone) where there is none.

    Raises `ConfigError` for an entry that is not valid, for a name that is taken unless `replace`, and for a document
    that was broken before: nothing is written then. Blocks, up to 10 s where another program is writing.
    """

    def change(document: CommentedMap) -> None:
        servers = document.get("servers")
        if servers is None:
            servers = document["servers"] = CommentedMap()
        elif name in servers and not replace:
            raise ConfigError(
                "there is a server of this name",
                file=str(path),
                field=f"servers.{name}",
                hint="remove it first, or choose another name",
            )
        servers[name] = _plain(entry)

    _edit(path, change, create=True)


def remove_server(path: Path, name: str) -> None:
    """Take a server out of the document. Raises `ConfigError` where it is not in it, and as `add_server` does."""

    def change(document: CommentedMap) -> None:
        servers = document.get("servers") or {}
        if name not in servers:
            known = ", ".join(servers)
            raise ConfigError(
                "there is no server of this name in this file",
                file=str(path),
                field=f"servers.{name}",
                hint=f"it has {known}" if known else "it has none",
            )
        del servers[name]
        if not servers:
            del document["servers"]

    _edit(path, change, create=False)


def _edit(path: Path, change: Callable[[CommentedMap], None], *, create: bool) -> None:
    try:
        real = path.resolve()  # a link is kept, and what it leads to is replaced
        if create:
            real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(real):
            before = _read(real, path, create=create)
            after = _changed(before, change, path)
            _write(real, after)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other, before Python 3.13
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"cannot be written: {reason}", file=str(path)) from None


def _read(real: Path, path: Path, *, create: bool) -> str:
    try:
        return read_text(real, MAX_BYTES) or _NEW
    except Unreadable as error:
        if error.missing and create:
            return _NEW
        raise ConfigError(error.reason, file=str(path), line=error.line) from None


def _changed(before: str, change: Callable[[CommentedMap], None], path: Path) -> str:
    _check(before, path)
    newline = "\r\n" if "\r\n" in before else "\n"
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long line was somebody's choice
    document = yaml.load(before.replace("\r\n", "\n"))
    mapping, (sequence, offset) = _indents(document)
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    change(document)
    text = StringIO()
    yaml.dump(document, text)
    _check(text.getvalue(), path)
    return text.getvalue().replace("\n", newline)


def _indents(document: CommentedMap) -> tuple[int, tuple[int, int]]:
    """How its owner indents: mappings, and of lists the items and the dashes. The first of each kind decides."""
    mapping: int | None = None
    sequence: tuple[int, int] | None = None
    waiting = [document]
    while waiting and (mapping is None or sequence is None):
        parent = waiting.pop(0)
        for child in parent.values():
            if not isinstance(child, CommentedMap | CommentedSeq) or child.fa.flow_style() or not child:
                continue
            offset = child.lc.col - parent.lc.col
            if isinstance(child, CommentedMap):
                mapping = mapping or offset
                waiting.append(child)
            elif sequence is None:
                sequence = (child.lc.item(0)[1] - parent.lc.col, offset)
    return mapping or 2, sequence or (2, 0)


def _check(text: str, path: Path) -> None:
    parsed = parse_document(text, str(path))
    try:
        Document.model_validate(parsed.data)
    except ValidationError as error:
        raise explain(error, Document, parsed, str(path), {}) from None


def _plain(value: Any) -> Any:
    """Our own copies of the containers, so that none is written as an anchor and an alias."""
    if isinstance(value, Mapping):
        return CommentedMap((key, _plain(member)) for key, member in value.items())
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _write(real: Path, text: str) -> None:
    """Whole or not at all, also when the machine stops in between."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            _copy_owner(real, temporary)
            os.fsync(file.fileno())
        os.replace(temporary, real)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(real.parent)


def _copy_owner(real: Path, temporary: str) -> None:
    """A new file is its owner's alone (mkstemp makes it 0600); a changed one keeps its mode and its owner."""
    if not real.exists():
        return
    state = real.stat()
    if hasattr(os, "chown") and (state.st_uid, state.st_gid) != (os.getuid(), os.getgid()):
        os.chown(temporary, state.st_uid, state.st_gid)
    os.chmod(temporary, state.st_mode & 0o7777)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there, and the rename is journalled
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
