"""One server, however it is reached: over a link of ours, or through another worker of this gateway."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from toolgate.model.life import Wish
from toolgate.model.server import Server
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream.base import Status
from toolgate.upstream.sent import Way
from toolgate.upstream.watched import Heard

__all__ = ["Reach", "Reached"]


class Reached(Protocol):
    """See `SharedUpstream`."""

    @property
    def server(self) -> Server: ...

    @property
    def status(self) -> Status: ...

    def reach(self, name: str) -> tuple[float, Era | None]:
        """Seconds that a call of this may take, and the server's era as far as it is known."""
        ...

    @property
    def under_way(self) -> int:
        """Calls that it has not answered yet, where it is reached over links of ours."""
        ...

    @property
    def links(self) -> int: ...

    def start(self) -> None: ...

    async def order(self, wish: Wish, actor: str) -> None: ...

    def send(self, call: Call) -> Coroutine[Any, Any, Reply]: ...

    def way(self, call: Call) -> Way | None: ...

    async def check(self) -> None: ...

    async def settled(self) -> None: ...

    async def subscribe(self, uri: str, heard: Heard, timeout: float, more: bytes = b"{}") -> Reply: ...

    async def unsubscribe(self, uri: str, heard: Heard) -> None: ...

    def stop(self) -> None: ...

    async def close(self, grace: float) -> None: ...


Reach = Callable[[Server], Reached | None]
"""Makes what reaches a server that is not ours to run; None for one that is."""
