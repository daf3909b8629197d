"""The way out of a container to the hosts that its server was granted."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from toolgate.runtime.container_options import Volume
from toolgate.runtime.egress.egress import Egress

__all__ = ["WayOut"]

_ORDER = b"hosts: files dns\n"


class WayOut:
    """An egress, and the files by which a container knows of it. Raises ValueError where an entry of `allowed` is
    none."""

    def __init__(self, allowed: Sequence[str], tell: Callable[[str], None]) -> None:
        self._egress = Egress(allowed, tell)
        self._folder = Path(tempfile.mkdtemp(prefix="toolgate-"))
        self._folder.chmod(0o755)
        self.volumes = (
            self._file("hosts", self._egress.hosts),
            self._file("resolv.conf", self._egress.resolv),
            self._file("nsswitch.conf", _ORDER),
        )

    async def enter(self, pid: int) -> None:
        """`pid` is the container's first process, which has not run yet. Raises `egress.entering.NotEntered`."""
        await self._egress.enter(pid)

    async def close(self) -> None:
        await self._egress.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _file(self, name: str, content: bytes) -> Volume:
        path = self._folder / name
        path.write_bytes(content)
        path.chmod(0o644)
        return Volume(str(path), f"/etc/{name}", writable=False)
