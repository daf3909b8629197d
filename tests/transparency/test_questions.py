"""What a server asks in the middle of a call reaches the client, and the client's answer the server."""

from typing import Any

import pytest

from tests.exact import Number
from tests.peers import LEGACY, MODERN
from tests.transparency.client import Refusal
from tests.transparency.offer import ODD
from tests.transparency.pair import CAPABILITIES, DONE, PAIRS, Pair, name_of
from tests.transparency.scripted import Refused, Turn
from tests.transparency.wording import written

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "title": "A", "x": ODD}},
    "required": ["a"],
    "x": ODD,
}
MESSAGES = [{"role": "user", "content": {"type": "text", "text": ODD["lines"], "x": ODD}}]
ASKED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "form": (
        "elicitation/create",
        {"mode": "form", "message": ODD["lines"], "requestedSchema": SCHEMA, "_meta": {"m": ODD}, "x": ODD},
        {"action": "accept", "content": {"a": ODD["astral"], "n": ODD["beyond"]}, "_meta": {"m": ODD}, "x": ODD},
    ),
    "url": (
        "elicitation/create",
        {"mode": "url", "message": "Open", "url": "https://example.com/?a=\u2028", "x": ODD},
        {"action": "decline", "x": ODD},
    ),
    "sampling": (
        "sampling/createMessage",
        {"messages": MESSAGES, "maxTokens": Number("9007199254740993"), "temperature": Number("0.70"), "x": ODD},
        {"role": "assistant", "content": MESSAGES[0]["content"], "model": "m", "stopReason": "endTurn", "x": ODD},
    ),
    "roots": ("roots/list", {"_meta": {"m": ODD}, "x": ODD}, {"roots": [{"uri": "file:///a", "name": "A", "x": ODD}]}),
}


@pytest.mark.parametrize("kind", ASKED)
async def test_a_question_and_its_answer_arrive(pair: Pair, kind: str) -> None:
    method, params, answer = ASKED[kind]
    if kind == "url" and pair.server.era == LEGACY:
        params = {**params, "elicitationId": "e-1"}
    async with pair.open(CAPABILITIES) as client:
        await pair.asked(client, method, [params], [answer])


async def test_questions_that_are_asked_together_and_again_arrive(pair: Pair) -> None:
    got: list[Any] = []

    async def script(turn: Turn) -> str:
        for _ in range(2):
            got.extend(await turn.ask(*({"method": method, "params": params} for method, params, _ in asked)))
        return DONE

    asked = [ASKED["form"], ASKED["sampling"], ASKED["roots"]]
    pair.server.script = script
    async with pair.open(CAPABILITIES) as client:
        client.answers = {method: [answer, answer] for method, _, answer in asked}
        await client.request("tools/call", {"name": "zebra", "arguments": {}})
    assert [message["result"] for message in got] == [answer for _, _, answer in asked] * 2


@pytest.mark.parametrize("pair", [each for each in PAIRS if each.server == "modern"], indirect=True, ids=name_of)
async def test_the_state_of_a_modern_server_comes_back_unchanged(pair: Pair) -> None:
    state = 'an "odd" state \u2028 \\ 😀 ' + "=" * 10_000

    async def script(turn: Turn) -> str:
        await turn.ask({"method": "roots/list", "params": {}}, state=state)
        assert turn.params["requestState"] == state
        await turn.ask(state=state + "2")
        assert turn.params["requestState"] == state + "2"
        return DONE

    pair.server.script = script
    async with pair.open(CAPABILITIES) as client:
        client.answers = {"roots/list": [{"roots": []}]}
        heard = await client.request("tools/call", {"name": "zebra"})
    assert heard.result["content"] == []
    assert heard.states == ([state, state + "2"] if pair.client_era == MODERN else [])


@pytest.mark.parametrize("pair", [each for each in PAIRS if each.client == "legacy"], indirect=True, ids=name_of)
async def test_a_refusal_to_answer_arrives(pair: Pair) -> None:
    """Only a legacy client can answer with an error; from a modern server's round it is the end of the call."""
    error = {"code": Number("-1"), "message": "User rejected", "data": ODD, "x": ODD}

    async def script(turn: Turn) -> str:
        (answer,) = await turn.ask({"method": "roots/list", "params": {}})
        raise Refused(written(answer["error"]))

    pair.server.script = script
    async with pair.open(CAPABILITIES) as client:
        client.answers = {"roots/list": [Refusal(error)]}
        heard = await client.request("tools/call", {"name": "zebra"})
    assert heard.error == error
