"""What envd does with commands, as child processes of this machine."""

import asyncio
import base64
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil

__all__ = ["Command"]

_CHUNK = 32 * 1024  # bytes that envd reads at a time
# Of envd: the command runs in a shell that becomes it.
_WRAPPER = ("/bin/sh", "-c", 'exec "${@}"', "--")


class Command:
    """One process, and the events of it for each who listens."""

    def __init__(self, process: asyncio.subprocess.Process, config: Mapping[str, Any]) -> None:
        self.config = config
        self.pid = process.pid
        self._process = process
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._writing = asyncio.Lock()
        self._task = asyncio.create_task(self._tell())

    @classmethod
    async def start(cls, request: Mapping[str, Any], home: Path) -> Self:
        """Raises `FileNotFoundError` for a folder that is not there."""
        config = request["process"]
        folder = Path(home, config.get("cwd") or ".")
        if not await asyncio.to_thread(folder.is_dir):
            raise FileNotFoundError(f"cwd '{folder}' does not exist")
        process = await asyncio.create_subprocess_exec(
            *_WRAPPER, config["cmd"], *config.get("args", ()),
            stdin=asyncio.subprocess.PIPE if request.get("stdin") else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "USER": "user", **config.get("envs", {})},
            cwd=folder, start_new_session=True,
        )  # fmt: skip
        return cls(process, config)

    async def event(self) -> dict[str, Any] | None:
        """None after the last."""
        return await self._events.get()

    async def write(self, data: bytes) -> None:
        async with self._writing:
            if self._process.stdin is not None:
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    def close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def kill(self) -> None:
        """With all that it started."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._task

    async def _tell(self) -> None:
        await asyncio.gather(self._pump("stdout"), self._pump("stderr"))
        code = await self._process.wait()
        end: dict[str, Any] = {"exitCode": max(code, -1), "exited": code >= 0, "status": f"exit status {code}"}
        if code < 0:
            end["status"] = end["error"] = f"signal: {(signal.strsignal(-code) or '').lower()}"
        elif code:
            end["error"] = end["status"]
        self._end()
        self._events.put_nowait({"end": end})
        self._events.put_nowait(None)

    async def _pump(self, which: str) -> None:
        stream: asyncio.StreamReader = getattr(self._process, which)
        while chunk := await stream.read(_CHUNK):
            self._events.put_nowait({"data": {which: base64.b64encode(chunk).decode()}})

    def _end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
