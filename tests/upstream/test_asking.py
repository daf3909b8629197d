"""What servers ask of clients in the middle of calls reaches the right client, and no client that did not offer it."""

import asyncio
from typing import Any

import psutil
import pytest

from tests.upstream.conftest import House, Inbox, make_call, stub
from toolgate.errors import BrokenReply, DeadlineExceeded
from toolgate.model.principal import Principal
from toolgate.protocol.eras import Era
from toolgate.upstream.variants import Variants

ROOTS = b'{"roots":{}}'
SAMPLING = b'{"sampling":{}}'
LIST = {"roots": [{"uri": "file:///home"}]}


async def test_a_legacy_server_asks_the_client_of_its_call(house: House) -> None:
    await house.serve(stub())
    inbox = Inbox(answers={"roots/list": LIST})
    answers = (await house.call("stub", "ask", channel=inbox, capabilities=ROOTS))["answers"]
    assert {answer["id"]: answer["result"] for answer in answers} == {"ping-1": {}, "roots-1": LIST}
    assert inbox.asked == [("roots/list", None)]


async def test_a_clients_refusal_reaches_the_server_as_it_is(house: House) -> None:
    await house.serve(stub())
    refusal = {"code": -1, "message": "the person said no", "data": {"n": 1}}
    inbox = Inbox(answers={"roots/list": refusal})
    answers = (await house.call("stub", "ask", channel=inbox, capabilities=ROOTS))["answers"]
    assert {answer["id"]: answer.get("error") for answer in answers}["roots-1"] == refusal


async def test_a_server_is_told_what_the_client_can_be_asked_on_a_link_of_its_own(house: House) -> None:
    await house.serve(stub())

    async def who(**more: Any) -> Any:
        return await house.call("stub", "whoami", **more)

    plain, roots, sampling = await asyncio.gather(who(), who(capabilities=ROOTS), who(capabilities=SAMPLING))
    assert (plain["client"], roots["client"], sampling["client"]) == ({}, {"roots": {}}, {"sampling": {}})
    assert len({plain["pid"], roots["pid"], sampling["pid"]}) == 3
    assert (await who(capabilities=ROOTS))["pid"] == roots["pid"], "the same capabilities share a link"
    other = await who(capabilities=ROOTS, principal=Principal("key:other", "other"))
    assert other["pid"] != roots["pid"], "another principal does not"
    assert house.status("stub").calls == 5


async def test_two_hundred_callers_with_the_same_capabilities_start_one_more_link(house: House) -> None:
    await house.serve(stub())
    calls = (house.call("stub", "whoami", capabilities=ROOTS) for _ in range(200))
    assert len({answer["pid"] for answer in await asyncio.gather(*calls)}) == 1


async def test_a_question_is_withdrawn_when_its_call_ends(house: House) -> None:
    await house.serve(stub())
    inbox = Inbox(answers={"roots/list": None})
    call = make_call("stub", "ask", channel=inbox, capabilities=ROOTS)
    asking = asyncio.create_task(house.of("stub").send(call))
    await inbox.until_asked()
    asking.cancel()
    await asyncio.wait_for(inbox.withdrawn.wait(), 20)


async def test_the_time_that_a_person_takes_does_not_count(house: House) -> None:
    await house.serve(stub())

    class Slow(Inbox):
        async def ask(self, method: str, params: bytes | None) -> Any:
            loop = asyncio.get_running_loop()
            later = loop.create_future()
            loop.call_later(1.0, later.set_result, None)
            await later
            return await super().ask(method, params)

    inbox = Slow(answers={"roots/list": LIST})
    assert await house.call("stub", "ask", channel=inbox, capabilities=ROOTS, timeout=0.7)
    with pytest.raises(DeadlineExceeded):
        await house.call("stub", "slow", channel=inbox, capabilities=ROOTS, timeout=0.2)


async def test_a_link_that_is_idle_for_long_is_ended(house: House) -> None:
    await house.serve(stub())
    shared = house.of("stub")
    shared._variants = Variants(shared._variants._make, idle=0.1)
    pid = (await house.call("stub", "whoami", capabilities=ROOTS))["pid"]
    await asyncio.to_thread(psutil.wait_procs, [psutil.Process(pid)], 20)
    assert not psutil.pid_exists(pid)
    assert len(shared._variants) == 0
    assert (await house.call("stub", "whoami", capabilities=ROOTS))["pid"] != pid


async def test_a_modern_server_asks_a_legacy_client_in_as_many_rounds_as_it_needs(house: House) -> None:
    await house.serve(stub(mode="modern"))
    answers = {"elicitation/create": {"action": "accept"}, "roots/list": LIST, "sampling/createMessage": {"model": "m"}}
    inbox = Inbox(answers=answers)
    result = await house.call("stub", "survey", channel=inbox, capabilities=ROOTS)
    assert result["first"] == {"who": answers["elicitation/create"], "where": LIST}
    assert result["second"] == {"what": answers["sampling/createMessage"]}
    assert "resultType" not in result
    assert [method for method, _ in inbox.asked] == ["elicitation/create", "roots/list", "sampling/createMessage"]
    assert inbox.asked[0][1]["elicitationId"], "a legacy question in URL mode has an id"


async def test_a_client_that_refuses_a_modern_servers_question_gets_its_own_refusal_back(house: House) -> None:
    await house.serve(stub(mode="modern"))
    inbox = Inbox(answers={"elicitation/create": {"code": -1, "message": "no"}, "roots/list": LIST})
    reply = await house.of("stub").send(make_call("stub", "survey", channel=inbox, capabilities=ROOTS))
    assert (reply.is_error, reply.payload) == (True, b'{"code":-1,"message":"no"}')


async def test_a_modern_server_that_never_has_enough_is_given_up(house: House) -> None:
    await house.serve(stub(mode="modern"))
    inbox = Inbox(answers={"roots/list": LIST})
    with pytest.raises(BrokenReply, match="16 times"):
        await house.call("stub", "nag", channel=inbox, capabilities=ROOTS)


async def test_a_modern_client_gets_a_modern_servers_questions_as_they_are(house: House) -> None:
    await house.serve(stub(mode="modern"))
    result = await house.call("stub", "survey", era=Era.MODERN, meta={}, capabilities=ROOTS)
    assert result["resultType"] == "input_required"
    assert set(result["inputRequests"]) == {"who", "where"}
