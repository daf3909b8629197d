"""A run that remembers what it was asked for, and can be held up or broken."""

import asyncio
from collections.abc import Callable

from toolgate.runtime import process
from toolgate.runtime.packages.run import Job, Result, Runner

__all__ = ["Recorded"]


class Recorded:
    """A `Run`. What `held` accepts waits for ever; `begun` is set when it does."""

    def __init__(self, held: Callable[[Job], bool] = lambda job: False) -> None:
        self._run = Runner(process.start)
        self._held = held
        self.asked, self.begun = asyncio.Event(), asyncio.Event()
        self.jobs: list[Job] = []

    async def __call__(self, job: Job) -> Result:
        self.jobs.append(job)
        self.asked.set()
        if self._held(job):
            self.begun.set()
            await asyncio.Event().wait()
        return await self._run(job)
