"""Proofs that messages arrive, given as a published schema has them.

What leads to the server under test (names, URIs) is put into them, and what belongs to the exchange itself (rounds of
questions, tokens, the revision) is taken out of them; all else stays.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

from tests.exact import exact
from tests.peers import LEGACY, MODERN
from tests.transparency.client import Client
from tests.transparency.crossing import EXTENSION
from tests.transparency.offer import LISTS
from tests.transparency.pair import DONE, Pair
from tests.transparency.scripted import META, Turn
from tests.transparency.wording import written

__all__ = [
    "cycled",
    "entries_arrive",
    "errors_arrive",
    "extension_arrives",
    "listed",
    "notes_arrive",
    "params_arrive",
    "questions_arrive",
    "results_arrive",
]

Message = dict[str, Any]

_ROUNDS: Final = 8
_ROUND: Final = frozenset({"inputResponses", "requestState"})
_EMPTY: Final[dict[str, Message]] = {
    "tools/call": {"content": []},
    "prompts/get": {"messages": []},
    "resources/read": {"contents": []},
    "completion/complete": {"completion": {"values": []}},
}
"""What a server answers where it is the params that matter."""

_KINDS: Final = ("tools", "prompts", "resources")
_numbers: Final = count(1)


async def results_arrive(pair: Pair, client: Client, method: str, results: Sequence[Message]) -> None:
    for result in results:
        fitted = {**result, "resultType": "complete"} if "resultType" in result else result
        await pair.returned(client, method, _named(pair, method, {}), fitted)


async def params_arrive(pair: Pair, client: Client, method: str, several: Sequence[Message]) -> None:
    for params in several:
        await pair.arrived(client, method, _meta_fitted(pair, _named(pair, method, params)), _EMPTY[method])


async def extension_arrives(pair: Pair, client: Client, several: Sequence[Message], results: Sequence[Message]) -> None:
    """The shorter sequence begins anew."""
    most = max(len(several), len(results))
    for params, result in zip(cycled(several, most), cycled(results, most), strict=True):
        fitted = {**result, "resultType": "complete"} if "resultType" in result else result
        await pair.arrived(client, EXTENSION, _meta_fitted(pair, params), fitted)


async def questions_arrive(
    pair: Pair, client: Client, method: str, params: Sequence[Message], answers: Sequence[Message]
) -> None:
    """All of both. A call may ask a legacy client only so many times."""
    most = max(len(params), len(answers))
    questions, replies = cycled(params, most), cycled(answers, most)
    for first in range(0, most, _ROUNDS):
        last = first + _ROUNDS
        await pair.asked(client, method, questions[first:last], replies[first:last])


async def notes_arrive(pair: Pair, client: Client, method: str, notes: Sequence[Message]) -> None:
    """In the middle of a call, in order."""
    token = "the client's"  # no secret

    async def script(turn: Turn) -> str:
        for note in notes:
            await turn.tell(method, {**note, "progressToken": turn.token} if "progressToken" in note else note)
        return DONE

    pair.server.script = script
    if pair.client_era == LEGACY:
        await client.request("logging/setLevel", {"level": "debug"})
    meta = {"progressToken": token, **({f"{META}logLevel": "debug"} if pair.client_era == MODERN else {})}
    heard = await client.request("tools/call", {"name": "zebra", "_meta": meta})
    expected = [{**note, "progressToken": token} if "progressToken" in note else note for note in notes]
    assert heard.told(method) == exact(written(expected))


async def errors_arrive(pair: Pair, client: Client, errors: Sequence[Message]) -> None:
    for error in errors:
        await pair.refused(client, "tools/call", {"name": "zebra"}, error)


async def entries_arrive(pair: Pair, client: Client, entries: Mapping[str, Sequence[Message]]) -> None:
    """By the methods of their lists, after what the server lists anyway."""
    offer = pair.server.offer
    before = dict(offer.pages)
    added = {method: [_unique(LISTS[method], entry) for entry in several] for method, several in entries.items()}
    async with client.listening({f"{kind}ListChanged": True for kind in _KINDS}) as messages:
        if pair.client_era == MODERN:
            await anext(messages)
        offer.pages |= {method: [*before[method], {LISTS[method]: several}] for method, several in added.items()}
        try:
            for kind in _KINDS:
                await pair.server.announce(f"notifications/{kind}/list_changed", {})
            untold = {f"notifications/{kind}/list_changed" for kind in _KINDS}
            while untold:
                untold.discard((await anext(messages))["method"])
            for method, several in added.items():
                assert (await listed(client, method))[-len(several) :] == exact(written(several))
        finally:
            offer.pages |= before


async def listed(client: Client, method: str) -> list[Message]:
    """All pages."""
    items: list[Message] = []
    result = (await client.request(method)).result
    while True:
        items += result[LISTS[method]]
        if "nextCursor" not in result:
            return items
        result = (await client.request(method, {"cursor": result["nextCursor"]})).result


def cycled(several: Sequence[Message], length: int) -> list[Message]:
    return [several[number % len(several)] for number in range(length)]


def _unique(key: str, entry: Message) -> Message:
    """A catalogue has each name once. URIs are the names of resources, and keep their form."""
    number = f"{next(_numbers)}"
    match key:
        case "resources":
            return {**entry, "uri": f"{entry['uri']}{number}"}
        case "resourceTemplates":
            return {**entry, "uriTemplate": f"{entry['uriTemplate']}{number}"}
        case _:
            return {**entry, "name": f"{entry['name']}{number}"}


def _named(pair: Pair, method: str, params: Message) -> Message:
    """For something that the server has."""
    kept = {name: value for name, value in params.items() if name not in _ROUND}
    match method:
        case "tools/call":
            return {**kept, "name": "zebra"}
        case "prompts/get":
            return {**kept, "name": "zulu"}
        case "resources/read":
            return {**kept, "uri": f"{pair.name}://z"}
        case "completion/complete":
            argument = kept.get("argument", {"name": "who", "value": ""})
            return {**kept, "argument": argument, "ref": _reference(pair, kept.get("ref", {"type": "ref/prompt"}))}
        case _:
            raise NotImplementedError(f"nobody says what {method} is to be asked for")


def _reference(pair: Pair, reference: Message) -> Message:
    if reference["type"] == "ref/prompt":
        return {**reference, "name": "zulu"}
    return {**reference, "uri": f"{pair.name}://t/{{x}}"}


def _meta_fitted(pair: Pair, params: Message) -> Message:
    if "_meta" not in params:
        return params
    fixed = {f"{META}protocolVersion"}
    if pair.server.era == LEGACY:
        fixed.add(f"{META}clientCapabilities")  # each set of them has a link of its own: test_introduced.py
    return {**params, "_meta": {name: value for name, value in params["_meta"].items() if name not in fixed}}
