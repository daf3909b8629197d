"""One request to a web API and its whole answer, over the connections that all servers share."""

from dataclasses import dataclass, replace
from typing import Final

from yarl import URL

from toolgate import __version__
from toolgate.http.client import Response
from toolgate.http.headers import Headers
from toolgate.http.pool import Line, Pool, Target
from toolgate.secrets.redact import Redactor
from toolgate.upstream import failures
from toolgate.upstream.services.faults import FAULTS, explained

__all__ = ["Answer", "Exchange", "Request"]

_HOPS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD: Final = frozenset({307, 308})  # RFC 9110, 15.4.8 and 15.4.9
_READS: Final = frozenset({"GET", "QUERY"})
_OURS: Final = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Header fields that nobody else sets: the framing is ours, and so is what we can read."""


@dataclass(frozen=True, slots=True)
class Request:
    """`target` is the path and the query, encoded; `headers` have characters that a header may have."""

    method: str
    origin: URL
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`request` is the one that was answered in the end. `elsewhere` is the origin that it wants us to go to and that
    we do not go to; empty otherwise."""

    request: Request
    status: int
    media_type: str
    headers: Headers
    body: bytes
    elsewhere: str = ""


class Exchange:
    """`limit` bounds an answer, in bytes. Redirects are followed within an origin: to another one credentials would
    travel along, and only the definition says where the API is."""

    def __init__(self, server: str, pool: Pool, redactor: Redactor, limit: int) -> None:
        self.server = server
        self.redactor = redactor
        self.limit = limit
        self._pool = pool
        self._lines: dict[Target, Line] = {}  # held, or the pool forgets them

    async def ask(self, request: Request) -> Answer:
        """Raises `Unreachable`, `ServerUnavailable` and `ResponseTooLarge`. Nothing is sent twice."""
        try:
            for _ in range(_HOPS):
                answer = await self._once(request)
                if answer.status not in _MOVED or answer.elsewhere:
                    return answer
                following = _following(answer)
                if following is None:
                    return answer
                request = following
        except FAULTS as error:
            raise explained(error, self.server, str(request.origin)) from None
        raise failures.broken(self.server, f"redirects more than {_HOPS} times")

    async def reach(self, origin: URL) -> None:
        """Whether somebody is there at all; asks nothing. Raises as `ask` does."""
        line = self._line(origin)
        try:
            line.keep(await line.connection())
        except FAULTS as error:
            raise explained(error, self.server, str(origin)) from None

    async def _once(self, request: Request) -> Answer:
        line = self._line(request.origin)
        connection = await line.connection()
        try:
            response = await connection.send(_head(request), request.body, self.limit, self.limit)
            body = await self._body(response)
        except BaseException:
            connection.abort()
            raise
        answer = Answer(request, response.status, response.media_type, response.headers, body)
        if response.status in _MOVED and (there := _elsewhere(answer)):
            return replace(answer, elsewhere=there)
        return answer

    async def _body(self, response: Response) -> bytes:
        if not response.is_stream or response.status != 200:
            if response.body is None:
                raise failures.too_large(self.server, 0, self.limit)
            return response.body
        chunks: list[bytes] = []
        room = self.limit
        while chunk := await response.chunk():
            chunks.append(chunk)
            room -= len(chunk)
            if room < 0:
                raise failures.too_large(self.server, 0, self.limit)
        return b"".join(chunks)

    def _line(self, origin: URL) -> Line:
        target = Target(origin.host or "", origin.port or 80, origin.scheme == "https")
        line = self._lines.get(target)
        if line is None:
            line = self._lines[target] = self._pool.to(target)
        return line


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {request.origin.host_port_subcomponent}"]
    given = {name.lower() for name, _ in request.headers}
    if "user-agent" not in given:
        lines.append(f"User-Agent: toolgate/{__version__}")
    lines.append("Accept-Encoding: identity")
    lines.extend(f"{name}: {value}" for name, value in request.headers if name.lower() not in _OURS)
    if request.body is not None:
        lines.append(f"Content-Length: {len(request.body)}")
    elif request.method not in _READS:
        lines.append("Content-Length: 0")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _there(answer: Answer) -> URL | None:
    location = answer.headers.text(b"location")
    try:
        here = URL(f"{answer.request.origin}{answer.request.target}", encoded=True)
        url = here.join(URL(location)).with_user(None).with_fragment(None)
        url.origin()
    except ValueError:
        return None
    return url if location and url.scheme in {"http", "https"} else None


def _elsewhere(answer: Answer) -> str:
    there = _there(answer)
    return str(there.origin()) if there is not None and there.origin() != answer.request.origin else ""


def _following(answer: Answer) -> Request | None:
    """The request to make next; None where it does not say where (RFC 9110, 15.4)."""
    there, request = _there(answer), answer.request
    if there is None:
        return None
    target = there.raw_path_qs
    if answer.status in _KEEPS_METHOD or request.method in _READS:
        return replace(request, target=target)
    if answer.status in {301, 302} and request.method != "POST":
        return replace(request, target=target)
    headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-type")
    return replace(request, method="GET", target=target, headers=headers, body=None)
