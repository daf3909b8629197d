"""Requests that another worker has to answer: handed over whole, and answered with what comes back."""

from hmac import compare_digest
from typing import Final
from urllib.parse import quote

from toolgate.errors import ServerUnavailable
from toolgate.http.application import Application
from toolgate.http.client import BrokenOffError, Response
from toolgate.http.pool import Line, Pool, Target
from toolgate.http.request import Answer, Request
from toolgate.inbound.elsewhere import Elsewhere
from toolgate.inbound.wire import refuse
from toolgate.workers.doors import Doors

__all__ = ["Handover", "Received"]

_PASSWORD: Final = b"x-toolgate-worker"
_NOT_PASSED: Final = frozenset({
    b"connection", b"content-length", b"date", b"expect", b"keep-alive", b"te", b"trailer", b"transfer-encoding",
    b"upgrade", _PASSWORD,
})  # fmt: skip
_LIMIT: Final = 1 << 40  # bytes: the worker that answers has limits of its own
_ON_ONE_LINE: Final = 200  # a line of the pool has room for 256, and streams stay open for days


class Handover:
    """The ways to the other workers. What is answered there was asked with the client's own headers, so that it is
    authenticated there anew, and counted only there."""

    def __init__(self, doors: Doors, password: str) -> None:
        self._doors = doors
        self._password = password.encode()
        self._pool = Pool()
        self._lines: dict[tuple[int, int], Line] = {}
        self._used: dict[tuple[int, int], int] = {}

    async def __call__(self, request: Request, worker: int) -> None:
        """Answer the request with what worker `worker` answers. Where the client goes, the other one is told so."""
        request.on_gone = request.cancel
        key = next(key for at in range(1 << 20) if self._used.get(key := (worker, at), 0) < _ON_ONE_LINE)
        self._used[key] = self._used.get(key, 0) + 1
        try:
            await self._pass(request, self._line(key))
        except OSError:
            if not request.begun:  # what has begun and cannot be ended is broken off by whoever called this
                refuse(request, _lost(worker))
        finally:
            self._used[key] -= 1

    def _line(self, key: tuple[int, int]) -> Line:
        worker, at = key
        if key not in self._lines:
            self._lines[key] = self._pool.to(Target(f"{worker}-{at}", 0, unix=self._doors.requests_of(worker)))
        return self._lines[key]

    async def _pass(self, request: Request, line: Line) -> None:
        connection = line.free() or await line.connection()
        try:
            response = await connection.send(self._head(request), request.body, _LIMIT, _LIMIT)
        except BaseException:
            connection.abort()
            raise
        head = [(name, value) for name, value in response.headers.pairs if name not in _NOT_PASSED]
        if response.is_stream and response.status == 200:
            await _stream(request, response, head)
        else:
            request.respond(response.status, response.body or b"", head, content=b"")

    def _head(self, request: Request) -> bytes:
        method = b"GET" if request.method == "HEAD" else request.method.encode()
        target = quote(request.path, safe="/:@!$&'()*+,;=-._~") + (f"?{request.query}" if request.query else "")
        lines = b"".join(b"%b: %b\r\n" % pair for pair in request.headers.pairs if pair[0] not in _NOT_PASSED)
        return b"%b %b HTTP/1.1\r\n%b%b: %b\r\ncontent-length: %d\r\n\r\n" % (
            method, target.encode("latin-1"), lines, _PASSWORD, self._password, len(request.body),
        )  # fmt: skip

    async def close(self) -> None:
        await self._pool.close()


async def _stream(request: Request, response: Response, head: list[tuple[bytes, bytes]]) -> None:
    try:
        request.begin(200, head)
        while chunk := await response.chunk():
            request.write(chunk)
            await request.drained()
        request.end()
    except BrokenOffError:
        return  # an answer that has begun and is not ended is broken off
    finally:
        response.close()


class Received:
    """Implements `http.server.Application` for what other workers hand over."""

    def __init__(self, app: Application, password: str) -> None:
        self._app = app
        self._password = password.encode()
        self.too_large = app.too_large
        self.too_busy = app.too_busy

    def admit(self, request: Request) -> int | Answer:
        if not compare_digest(request.headers.get(_PASSWORD, b""), self._password):
            return Answer(403, b"this door is for the workers of a gateway")
        return self._app.admit(request)

    def at_once(self, request: Request) -> bool:
        return self._app.at_once(request)

    async def __call__(self, request: Request) -> None:
        try:
            await self._app(request)
        except Elsewhere as error:  # two workers that do not agree whose it is: a request must not go round in circles
            refuse(request, _lost(error.worker))


def _lost(worker: int) -> ServerUnavailable:
    return ServerUnavailable(
        f"worker {worker}, which this request is for, has ended and is being started again", hint="send it again"
    )
