"""Two ends and what passes between them.

Every test takes place between all servers and a client of each era over Streamable HTTP. What comes in another way
takes the same road behind its door, so the other clients (`toolgate stdio` in both eras, HTTP+SSE) meet two servers
each: one of each era, and between them one over each transport.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.exact import exact
from tests.peers import LEGACY, MODERN
from tests.transparency.client import Client, Heard, greeted
from tests.transparency.eras import expected_error, expected_meta, expected_question, expected_result
from tests.transparency.scripted import Refused, Scripted, Turn
from tests.transparency.ways import Way, http_way, sse_way, stdio_way
from tests.transparency.wording import written

__all__ = ["CAPABILITIES", "DONE", "ERAS", "PAIRS", "SERVERS", "Ends", "Kept", "Pair", "name_of"]

ERAS: Final = {"modern": MODERN, "legacy": LEGACY}
_WAYS: Final[dict[str, Callable[[str, str, Path], AbstractAsyncContextManager[Way]]]] = {
    "stdio": stdio_way,
    "http": http_way,
    "sse": sse_way,
}
SERVERS: Final = [(era, wire) for era in ERAS for wire in ("stdio", "http", "sse") if (era, wire) != ("modern", "sse")]
DONE: Final = '{"resultType":"complete","content":[]}'
CAPABILITIES: Final = {
    "elicitation": {"form": {}, "url": {}},
    "roots": {"listChanged": True},
    "sampling": {"tools": {}, "context": {}},
}


class Ends(NamedTuple):
    """The eras of the two sides, and how each is connected."""

    client: str
    way: str
    server: str
    wire: str


PAIRS: Final = [
    *(Ends(client, "http", *server) for client in ERAS for server in SERVERS),
    Ends("modern", "stdio", "modern", "stdio"),
    Ends("modern", "stdio", "legacy", "http"),
    Ends("legacy", "stdio", "modern", "http"),
    Ends("legacy", "stdio", "legacy", "stdio"),
    Ends("legacy", "sse", "modern", "stdio"),
    Ends("legacy", "sse", "legacy", "sse"),
]


@dataclass
class Kept:
    """Clients that stay for all tests of a module: starting a process for each would take longer than the tests."""

    folder: Path
    stack: AsyncExitStack
    clients: dict[tuple[str, str, str], Client] = field(default_factory=dict)


@dataclass
class Pair:
    """A client of one era in front, a server of one era behind; `name` is the server's."""

    name: str
    url: str
    client_era: str
    way: str
    server: Scripted = field(repr=False)
    kept: Kept = field(repr=False)

    @asynccontextmanager
    async def open(
        self, capabilities: Mapping[str, Any] | None = None, *, one_endpoint: bool = False, fresh: bool = False
    ) -> AsyncIterator[Client]:
        """`fresh`: one that has not heard of anything yet."""
        url = self.url if one_endpoint else f"{self.url}/servers/{self.name}"
        way = _WAYS[self.way](url, self.client_era, self.kept.folder)
        key = url, self.client_era, written(capabilities)
        if self.way != "stdio" or fresh:
            async with way as opened:
                yield await greeted(opened, self.client_era, capabilities)
            return
        if key not in self.kept.clients:
            opened = await self.kept.stack.enter_async_context(way)
            self.kept.clients[key] = await greeted(opened, self.client_era, capabilities)
        yield self.kept.clients[key]

    def results(self, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """In the words of the server's era."""
        more = {"resultType": "complete"} if self.server.era == MODERN else {}
        return [{**more, **result} for result in results]

    async def returned(
        self, client: Client, method: str, params: Mapping[str, Any], result: dict[str, Any]
    ) -> tuple[Heard, Turn]:
        """Make the request, let the server answer it with `result`, and prove that this is what arrives."""
        (result,) = self.results([result])
        text = written(result)
        turns: list[Turn] = []

        async def script(turn: Turn) -> str:
            turns.append(turn)
            return text

        self.server.script = script
        heard = await client.request(method, params)
        wanted = expected_result(result, method, self.server.era, self.client_era, self.server.offer.server_info)
        assert heard.result == exact(written(wanted))
        if self.server.era == self.client_era:
            assert b'"result":' + text.encode() in heard.raw
        return heard, turns[-1]

    async def arrived(self, client: Client, method: str, params: dict[str, Any], result: dict[str, Any]) -> None:
        """Make the request and prove that the server gets it as it was sent."""
        _, turn = await self.returned(client, method, params, result)
        found, sent = dict(turn.params), exact(written(params))
        meta: dict[str, Any] = found.pop("_meta", {})
        said = exact(written(client.stamped(sent) or {})).get("_meta", {})
        assert meta == expected_meta(said, meta, self.client_era, self.server.era, client.level)
        assert found == {name: value for name, value in sent.items() if name != "_meta"}

    async def refused(self, client: Client, method: str, params: Mapping[str, Any], error: dict[str, Any]) -> None:
        """The same for an error."""

        async def script(turn: Turn) -> str:
            raise Refused(written(error))

        self.server.script = script
        heard = await client.request(method, params)
        assert heard.error == exact(written(expected_error(error, self.server.era, self.client_era)))

    async def asked(
        self, client: Client, method: str, params: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]
    ) -> None:
        """Let the server ask all this one after the other in one call, and prove that the questions and the answers
        arrive."""
        got: list[Any] = []

        async def script(turn: Turn) -> str:
            for each in params:
                got.extend(await turn.ask({"method": method, "params": each}))
            return DONE

        self.server.script = script
        client.answers = {method: [*answers]}
        heard = await client.request("tools/call", {"name": "zebra", "arguments": {}})
        assert [question["method"] for question in heard.questions] == [method] * len(params)
        for question, each in zip(heard.questions, params, strict=True):
            expected = expected_question(each, question["params"], self.server.era, self.client_era)
            assert question["params"] == exact(written(expected))
        assert [message["result"] for message in got] == exact(written(answers))
        assert heard.result["content"] == []


def name_of(pair: Ends) -> str:
    way = "" if pair.way == "http" else f"{pair.way}-"
    return f"{pair.client}-{way}client-{pair.server}-{pair.wire}-server"
