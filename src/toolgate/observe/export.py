"""Spans on their way to a collector, over OTLP/HTTP: a bounded queue, one task, back-off, a count of losses."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from toolgate import __version__
from toolgate.errors import ToolgateError
from toolgate.observe.metrics import Reading
from toolgate.observe.otlp import encoded, export_request, rejected
from toolgate.observe.spans import Span

__all__ = ["Exporter", "Headers", "trace_url"]

Headers = Callable[[], Awaitable[Mapping[str, str]]]
"""Asked before each try, so that a token that was renewed is used."""

_QUEUE: Final = 4096  # spans
_BATCH: Final = 512
_AT_ONCE: Final = 16
_EVERY: Final = 5.0  # seconds that a span waits at most while all goes well
_PATIENCE: Final = 10.0  # seconds for one request
_LONGEST: Final = 60.0  # seconds between two tries
_ANSWER: Final = 65_536  # bytes that are read of it
_AGAIN: Final = frozenset({429, 502, 503, 504})
"""The statuses after which the same may be sent again (OTLP 1.x, OTLP/HTTP, Retryable Response Codes)."""

_log = logging.getLogger(__name__)


class _Answer(NamedTuple):
    status: int
    retry_after: str
    rejected: int


class Exporter:
    """`url` is that of the collector or of its `/v1/traces`. Made on the event loop; `close` sends what is left."""

    def __init__(
        self, url: str, headers: Headers, resource: Mapping[str, str] | None = None, queue: int = _QUEUE
    ) -> None:
        self.url = trace_url(url)
        self.exported = 0
        self.dropped = {"queue-full": 0, "refused": 0, "unsent": 0}
        self._headers = headers
        self._resource = {"service.name": "toolgate", "service.version": __version__, **(resource or {})}
        self._most = queue
        self._waiting: deque[Span] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._failing = False
        self._delay = 1.0
        self._sender = asyncio.create_task(self._send_on(), name="span-exporter")

    def offer(self, spans: Sequence[Span]) -> None:
        """Queue the spans of one call; drop them, and count that, where the collector does not keep up."""
        if len(self._waiting) + len(spans) > self._most or self._closing:
            self.dropped["queue-full"] += len(spans)
            return
        self._waiting.extend(spans)
        if len(self._waiting) >= _BATCH and not self._failing:
            self._wake.set()

    def read(self) -> Mapping[str, Reading]:
        """For `Metrics.read_all`."""
        return {
            "toolgate_spans_exported_total": float(self.exported),
            "toolgate_spans_dropped_total": [((reason,), count) for reason, count in self.dropped.items()],
        }

    @property
    def depth(self) -> int:
        """Spans that wait."""
        return len(self._waiting)

    async def close(self) -> None:
        """Send what is left, once; takes at most some seconds."""
        self._closing = True
        self._wake.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sender, _PATIENCE)
        self.dropped["unsent"] += len(self._waiting)

    async def _send_on(self) -> None:
        while True:
            if len(self._waiting) < _BATCH or self._failing:
                await self._pause(self._delay if self._failing else _EVERY)
            closing = self._closing  # before the last batches, which are sent once
            while self._waiting and await self._send([*islice(self._waiting, _BATCH)]):
                pass
            if closing:
                return

    async def _pause(self, seconds: float) -> None:
        if self._closing:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _send(self, batch: list[Span]) -> bool:
        """False where it has to be tried again."""
        try:
            headers = await self._headers()
            answer = await asyncio.to_thread(self._post, await self._body(batch), headers)
        except (OSError, HTTPException, ToolgateError) as error:
            return self._failed(str(error) or type(error).__name__, "")
        if answer.status in _AGAIN:
            return self._failed(f"it answers {answer.status}", answer.retry_after)
        for _ in batch:
            self._waiting.popleft()
        if answer.status // 100 == 2:
            refused = min(answer.rejected, len(batch))
            self.exported += len(batch) - refused
            self.dropped["refused"] += refused
            self._recovered()
        else:
            self.dropped["refused"] += len(batch)
            self._say(f"it answers {answer.status}")
        return True

    async def _body(self, batch: Sequence[Span]) -> bytes:
        """A few at a time. On the loop, since a thread that computes holds it up for 5 ms at a time."""
        spans: list[bytes] = []
        for span in batch:
            spans.append(encoded(span))
            if len(spans) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return export_request(spans, self._resource, __version__)

    def _post(self, body: bytes, headers: Mapping[str, str]) -> _Answer:
        """On a thread of its own: it blocks."""
        address = urlsplit(self.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=_PATIENCE)
        try:
            target = f"{address.path}?{address.query}" if address.query else address.path
            connection.request("POST", target, body, {**headers, "Content-Type": "application/x-protobuf"})
            response = connection.getresponse()
            told = response.read(_ANSWER)
            return _Answer(response.status, response.getheader("Retry-After") or "", rejected(told))
        finally:
            connection.close()

    def _failed(self, reason: str, retry_after: str) -> bool:
        self._delay = min(self._delay * 2 if self._failing else 1.0, _LONGEST)
        wanted = float(retry_after) if retry_after.isdecimal() else 0.0
        self._delay = min(max(self._delay * random.uniform(0.8, 1.2), wanted), _LONGEST)  # noqa: S311  # jitter
        self._say(reason)
        return False

    def _say(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            host = urlsplit(self.url).hostname
            _log.warning("traces do not reach the collector at %s: %s; it is tried again quietly", host, reason)

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("traces reach the collector again")


def trace_url(url: str) -> str:
    """Where spans are posted: what OTLP puts behind a collector's address, unless it stands there already."""
    return url if url.endswith("/v1/traces") else f"{url.rstrip('/')}/v1/traces"
