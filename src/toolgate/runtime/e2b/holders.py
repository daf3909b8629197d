"""Who stands behind a sandbox: a file that is locked as long as its holder lives, on which the system keeps watch."""

import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from toolgate.runtime.packages import locks

__all__ = ["Holders"]

_HOLDER: Final = re.compile(r"[0-9a-f]{32}")


class Holders:
    """All methods look at files, so they are not for the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = folder / "gateway"

    def gateway(self) -> str:
        """The name of this gateway among all that share a key; made when it is first asked for."""
        if name := self.known():
            return name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{secrets.token_hex(8)}"
        fresh.write_text(secrets.token_hex(8), encoding="utf-8")
        with suppress(FileExistsError):  # of several that ask at once, the first
            self._name.hardlink_to(fresh)
        fresh.unlink()
        return self.known()

    def known(self) -> str:
        """Empty where no server of this gateway ever ran there."""
        try:
            return self._name.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def take(self, holder: str) -> int | None:
        """What to `let_go` of; None where somebody holds it, and where nobody can tell. Raises `ValueError` for what is
        no holder: the word may come from tags, which everyone with the key can write."""
        if not _HOLDER.fullmatch(holder):
            raise ValueError(f"{holder!r} is no holder")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return locks.take(self._folder / holder)

    def let_go(self, holder: str, hold: int) -> None:
        with suppress(OSError):
            (self._folder / holder).unlink()
        locks.let_go(hold)
