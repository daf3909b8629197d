"""A stage: one step that every call passes."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from toolgate.pipeline.call import Call, Reply

__all__ = ["Proceed", "Stage"]

Proceed = Callable[[Call], Awaitable[Reply]]
"""The rest of the road."""


class Stage(Protocol):
    def __call__(self, call: Call, proceed: Proceed) -> Awaitable[Reply]:
        """Look at the call, pass it (or a changed copy) on, look at the reply; or raise a `ToolgateError`. Mostly an
        `async def`; one that does not look at the reply is a plain function that answers `proceed(call)`, which costs
        less."""
        ...
