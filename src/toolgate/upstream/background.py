"""Small jobs beside the road, bounded in number and time, and none left over at the end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["Background"]


class Background:
    """Runs coroutines that report their own failures. One too many is not run at all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, job: Coroutine[Any, Any, None], name: str) -> bool:
        if self._closed or len(self._tasks) >= self._most:
            job.close()
            return False
        task = asyncio.get_running_loop().create_task(job, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """Cancel what still runs, and wait for it."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self, timeout: float) -> None:
        """Give what runs `timeout` seconds to end by itself, then close."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout)
        await self.close()
