"""Calls of modern clients that wait for answers: the right client, the right request, once, and not for ever."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Raw

from tests.inbound.conftest import Front, modern_meta
from tests.pipeline.calls import a_call
from toolgate.errors import InvalidParams
from toolgate.inbound.parking import Parking
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era

CAPABLE = modern_meta(
    **{"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}, "url": {}}, "roots": {}}}
)
FORM = b'{"message":"who?","requestedSchema":{"type":"object"}}'


async def curious(call: Call) -> Reply:
    """Asks one thing, and answers with what it heard."""
    reply = await call.channel.ask("elicitation/create", FORM)
    return Reply(b'{"heard":' + reply.payload + b"}")


class Asker:
    """A modern client that calls `one__look`."""

    def __init__(self, front: Front, headers: dict[str, str] | None = None) -> None:
        self._front = front
        self._headers = headers or {}

    async def call(self, params: dict[str, Any] | None = None, **more: Any) -> Any:
        given = {"_meta": CAPABLE, "name": "one__look", "arguments": {"n": 1}, **(params or {}), **more}
        async with self._front.modern("tools/call", given, self._headers) as answer:
            lines = (await answer.text()).splitlines()
        if answer.content_type == "application/json":
            return json.loads(lines[0])
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")][-1]

    async def again(self, asked: Any, *answers: Any, **more: Any) -> Any:
        given = dict(zip(asked["result"]["inputRequests"], answers, strict=False))
        return await self.call(inputResponses=given, requestState=asked["result"]["requestState"], **more)


async def test_a_question_comes_as_a_result_and_the_answer_goes_on_with_the_same_call(front: Front) -> None:
    front.road = curious
    client = Asker(front)
    asked = await client.call()
    assert asked["result"]["resultType"] == "input_required"
    [question] = asked["result"]["inputRequests"].values()
    assert question == {"method": "elicitation/create", "params": {"mode": "form", **json.loads(FORM)}}
    assert (await client.again(asked, {"action": "accept"}))["result"] == {"heard": {"action": "accept"}}
    assert len(front.calls) == 1, "the server saw one call"
    assert len(front.parking) == 0


async def test_what_is_asked_together_is_answered_together_and_what_is_missing_is_asked_again(front: Front) -> None:
    async def thorough(call: Call) -> Reply:
        asked = (("elicitation/create", FORM), ("roots/list", None), ("sampling/createMessage", b"{}"))
        replies = await asyncio.gather(*(call.channel.ask(method, params) for method, params in asked))
        return Reply(b'{"heard":[' + b",".join(reply.payload for reply in replies) + b"]}")

    front.road = thorough
    client = Asker(front)
    asked = await client.call()
    methods = [question["method"] for question in asked["result"]["inputRequests"].values()]
    assert methods == ["elicitation/create", "roots/list", "sampling/createMessage"]
    once_more = await client.again(asked, {"action": "decline"}, "no object")
    assert [question["method"] for question in once_more["result"]["inputRequests"].values()] == methods[1:]
    assert once_more["result"]["requestState"] != asked["result"]["requestState"]
    done = await client.again(once_more, {"roots": []}, {"model": "m"})
    assert done["result"] == {"heard": [{"action": "decline"}, {"roots": []}, {"model": "m"}]}


async def test_one_question_after_another_is_one_round_after_another(front: Front) -> None:
    async def patient(call: Call) -> Reply:
        heard = [(await call.channel.ask("elicitation/create", FORM)).payload for _ in range(3)]
        return Reply(b'{"heard":[' + b",".join(heard) + b"]}")

    front.road = patient
    client = Asker(front)
    asked = await client.call()
    states = set()
    for number in range(3):
        states.add(asked["result"]["requestState"])
        asked = await client.again(asked, {"n": number})
    assert asked["result"] == {"heard": [{"n": 0}, {"n": 1}, {"n": 2}]}
    assert len(states) == 3


async def test_progress_made_while_nobody_was_there_comes_with_the_next_request(front: Front) -> None:
    progress = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}'
    front.road = curious
    asked = await Asker(front).call()
    front.calls[0].channel.send(progress)
    params = {"_meta": CAPABLE, "name": "one__look", "arguments": {"n": 1}}
    answers: dict[str, Any] = {"inputResponses": {key: {} for key in asked["result"]["inputRequests"]}}
    state = {"requestState": asked["result"]["requestState"]}
    async with front.modern("tools/call", {**params, **answers, **state}) as answer:
        assert progress in await answer.read()


Attack = Callable[[Front, Any], Awaitable[Any]]


async def replayed(front: Front, asked: Any) -> Any:
    first = asyncio.create_task(Asker(front).again(asked, {"action": "accept"}))
    second = await Asker(front).again(asked, {"action": "accept"})
    one = await first
    return second if "error" in second else one


async def tampered(front: Front, asked: Any) -> Any:
    asked["result"]["requestState"] += "A"
    return await Asker(front).again(asked, {"action": "accept"})


async def stolen(front: Front, asked: Any) -> Any:
    return await Asker(front, {"Authorization": "Bearer thief"}).again(asked, {"action": "accept"})


async def moved(front: Front, asked: Any) -> Any:
    return await Asker(front).again(asked, {"action": "accept"}, arguments={"n": 2})


async def made_up(front: Front, asked: Any) -> Any:
    asked["result"]["requestState"] = "anything"
    return await Asker(front).again(asked, {"action": "accept"})


async def of_a_wrong_type(front: Front, asked: Any) -> Any:
    asked["result"]["requestState"] = 7
    return await Asker(front).again(asked, {"action": "accept"})


async def restarted(front: Front, asked: Any) -> Any:
    front.parking.close()
    return await Asker(front).again(asked, {"action": "accept"})


@pytest.mark.parametrize("attack", [replayed, tampered, stolen, moved, made_up, of_a_wrong_type, restarted])
async def test_a_state_is_good_for_its_own_request_once(front: Front, attack: Attack) -> None:
    front.road = curious
    answer = await attack(front, await Asker(front).call())
    assert answer["error"]["code"] == -32602
    assert "requestState" in answer["error"]["message"] or "gone" in answer["error"]["message"]


async def test_a_client_that_never_comes_back_costs_nothing_for_long(front: Front) -> None:
    ended = asyncio.Event()

    async def wait(call: Call) -> Reply:
        try:
            return await curious(call)
        finally:
            ended.set()

    front.road = wait
    front.parking._patience = 0.1
    asked = await Asker(front).call()
    await asyncio.wait_for(ended.wait(), 10)
    assert len(front.parking) == 0
    answer = await Asker(front).again(asked, {"action": "accept"})
    assert answer["error"]["code"] == -32602


async def test_five_hundred_calls_are_parked_at_once_and_one_more_cannot_ask(
    front: Front,
) -> None:
    front.road = curious
    client = Asker(front)
    asked: list[Any] = []
    for _ in range(10):
        asked += await asyncio.gather(*(client.call() for _ in range(50)))
    assert len(front.parking) == 500
    assert (await client.call())["error"]["code"] == -32601
    for start in range(0, 500, 50):
        answers = await asyncio.gather(*(client.again(one, {"action": "accept"}) for one in asked[start : start + 50]))
        assert all(answer["result"] == {"heard": {"action": "accept"}} for answer in answers)
    assert len(front.parking) == 0


async def test_a_modern_servers_own_state_passes_untouched(front: Front) -> None:
    front.server_era = Era.MODERN
    await Asker(front).call(requestState="its own", inputResponses={"a": {}})
    assert bytes(front.calls[0].params["requestState"]) == b'"its own"'
    assert json.loads(bytes(front.calls[0].params["inputResponses"])) == {"a": {}}


URL_FIRST = {
    "code": -32042,
    "message": "sign in first",
    "data": {"elicitations": [{"mode": "url", "elicitationId": "e", "url": "https://x.example", "message": "sign in"}]},
}


async def test_a_url_that_must_be_opened_first_is_a_round_of_its_own(front: Front) -> None:
    async def signed_in(call: Call) -> Reply:
        if len(front.calls) == 1:
            return Reply(json.dumps(URL_FIRST).encode(), is_error=True)
        assert "requestState" not in call.params
        return Reply(b'{"done":true}')

    front.road = signed_in
    client = Asker(front)
    asked = await client.call()
    [question] = asked["result"]["inputRequests"].values()
    assert question["params"] == {"mode": "url", "url": "https://x.example", "message": "sign in"}
    assert (await client.again(asked, {"action": "accept"}))["result"] == {"done": True}


async def test_a_client_that_cannot_open_urls_is_told_which_capability_it_lacks(front: Front) -> None:
    async def not_signed_in(call: Call) -> Reply:
        return Reply(json.dumps(URL_FIRST).encode(), is_error=True)

    front.road = not_signed_in
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (400, -32021)
    assert error["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


async def test_a_state_of_before_a_restart_reaches_no_call_of_after_it() -> None:
    """The key is the same, and so may be the number of a call."""
    before, after = Parking(b"k" * 32, patience=5), Parking(b"k" * 32, patience=5)
    call = a_call(capabilities=b'{"elicitation":{"form":{}}}')
    old = json.loads((await before.run(call, curious)).payload)
    new = json.loads((await after.run(call, curious)).payload)
    again = {"requestState": Raw(json.dumps(old["requestState"])), "inputResponses": Raw(b"{}")}
    with pytest.raises(InvalidParams, match="gone"):
        await after.run(call.with_(params={**call.params, **again}), curious)
    assert len(after) == 1, "the call of another is where it was"
    assert old["requestState"] != new["requestState"]
    before.close()
    after.close()
