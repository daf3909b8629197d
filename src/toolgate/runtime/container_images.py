"""Images by their digests: a name stays what it was when it was first used."""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.container_engine import Engine, last
from toolgate.runtime.container_options import Image

__all__ = ["Images", "write"]

_PULLED: Final = 600.0  # seconds that fetching one may take


class Images:
    """Of one engine. `folder` is where it is kept which image a name stands for."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._pins = folder / "images.json"
        self._pinned: dict[str, str] | None = None
        self._pinning = asyncio.Lock()

    async def pin(self, image: Image) -> str:
        """The image by its digest: that of the name itself, or that which the name had when it was first used.

        Raises `StartFailed`.
        """
        async with self._pinning:
            pins = await asyncio.to_thread(self._read_pins) if self._pinned is None else self._pinned
            self._pinned = pins
            found = await self._digest(pins.get(image.name, image.name))
            if found is None:
                found = await self._pull(image)
            if pins.get(image.name) != found and "@sha256:" not in image.name:
                pins[image.name] = found
                await asyncio.to_thread(self._write_pins)
            return found

    async def _digest(self, name: str) -> str | None:
        told = await self._engine.ask("image", "inspect", "--format", "{{.Id}}", name)
        return told.out.strip() if told.code == 0 and told.out.strip() else None

    async def _pull(self, image: Image) -> str:
        platform = ("--platform", image.platform) if image.platform else ()
        told = await self._engine.ask("pull", "--quiet", *platform, image.name, seconds=_PULLED)
        found = await self._digest(image.name) if told.code == 0 else None
        if found is None:
            raise StartFailed(
                f"image {image.name} is not here and could not be fetched: {last(told.err)}",
                hint=f"try it by hand: {self._engine.name} pull {image.name}",
            )
        return found

    def _read_pins(self) -> dict[str, str]:
        with suppress(OSError, ValueError):
            pins = json.loads(self._pins.read_text(encoding="utf-8"))
            if isinstance(pins, dict):
                return {str(name): str(digest) for name, digest in pins.items()}
        return {}

    def _write_pins(self) -> None:
        write(self._pins, json.dumps(self._pinned, indent=1))


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
