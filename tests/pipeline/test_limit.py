import asyncio
from typing import Any

import pytest

from tests.pipeline.calls import End, a_call, a_tool, key
from toolgate.config.model import Document
from toolgate.errors import Overloaded, RateLimited
from toolgate.pipeline.call import Call
from toolgate.pipeline.stages.limit import Limit
from toolgate.policy.buckets import LocalBuckets


class Clock:
    time = 1_000.0

    def __call__(self) -> float:
        return self.time


def document(limits: dict[str, Any] | None = None, **server: Any) -> Document:
    servers = {"docs": {"command": "true", **server}} if server else {}
    return Document.model_validate({"version": 1, "limits": limits or {}, "servers": servers})


def limit(limits: dict[str, Any] | None = None, clock: Clock | None = None, **server: Any) -> Limit:
    return Limit(LocalBuckets(clock=clock or Clock()), document(limits, **server))


async def let_in(stage: Limit, *calls: Call) -> list[str]:
    """Which limit refused each; empty where it was let in."""
    refused = []
    for call in calls:
        try:
            await stage(call, End())
            refused.append("")
        except RateLimited as error:
            refused.append(error.details["limit"])
    return refused


async def test_without_limits_all_are_let_in() -> None:
    assert await let_in(limit(), *[a_call()] * 500) == [""] * 500


async def test_each_caller_has_a_share_of_its_own_and_is_told_when_there_is_more() -> None:
    clock = Clock()
    stage = limit({"principal_rate": "2/minute"}, clock)
    one, other = a_call(principal=key("one")), a_call(principal=key("other"))
    assert await let_in(stage, one, one, one, other) == ["", "", "principal", ""]
    with pytest.raises(RateLimited) as raised:
        await stage(one, End())
    error = raised.value
    assert (error.http, error.retry_after) == (429, 30.0)
    assert error.data() == {
        "code": "rate-limited",
        "limit": "principal",
        "of": "key:one",
        "rate": "2/minute",
        "retry_after": 30.0,
        "hint": error.hint,
    }
    assert "'one' has had its 2/minute calls" in error.message
    clock.time += error.retry_after
    assert await let_in(stage, one, one) == ["", "principal"]


async def test_tools_and_servers_have_theirs_of_all_callers_together() -> None:
    stage = limit({"tool_rate": "1/minute", "server_rate": "3/minute"})
    read, write, prompt = a_call(a_tool("read")), a_call(a_tool("write")), a_call(a_tool("read"), method="prompts/get")
    assert await let_in(stage, read, read, write, prompt, prompt) == ["", "tool", "", "", "server"]
    assert await let_in(stage, a_call(a_tool("read", "other"))) == [""]


async def test_a_server_may_have_rates_of_its_own() -> None:
    stage = limit({"tool_rate": "1/minute"}, rate="4/minute", tool_rates={"read": "2/minute"})
    read, write = a_call(a_tool("read")), a_call(a_tool("write"))
    assert await let_in(stage, read, read, read, write, write) == ["", "", "tool", "", "tool"]


async def test_all_together_have_one() -> None:
    stage = limit({"total_rate": "2/second"})
    assert await let_in(stage, *[a_call(principal=key(str(n))) for n in range(3)]) == ["", "", "total"]


async def test_a_call_that_is_refused_uses_nothing_up() -> None:
    stage = limit({"tool_rate": "1/minute", "total_rate": "2/minute"})
    read = a_call(a_tool("read"))
    assert await let_in(stage, read, read, read, a_call(a_tool("write"))) == ["", "tool", "tool", ""]


async def test_a_new_configuration_holds_at_once_and_forgets_nothing() -> None:
    stage = limit({"principal_rate": "1/minute"})
    assert await let_in(stage, a_call(), a_call()) == ["", "principal"]
    stage.configure(document({"principal_rate": "1/minute"}))
    assert await let_in(stage, a_call()) == ["principal"]
    stage.configure(document({"principal_rate": "10/second"}))
    stage.configure(document())
    assert await let_in(stage, a_call()) == [""]
    stage = limit({"principal_rate": "100/day"})
    assert await let_in(stage, a_call()) == [""]
    stage.configure(document({"principal_rate": "1/day"}))
    assert await let_in(stage, a_call()) == ["principal"]


async def test_no_more_calls_are_under_way_than_the_gateway_carries() -> None:
    stage, end = limit({"calls": 2}), End()
    end.hold()
    tasks = [asyncio.ensure_future(stage(a_call(), end)) for _ in range(2)]
    await end.came(2)
    with pytest.raises(Overloaded) as raised:
        await stage(a_call(), End())
    assert (raised.value.http, raised.value.code, raised.value.retry_after > 0) == (503, "overloaded", True)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    assert stage.under_way == 1
    await stage(a_call(), End())
    end.let_go.set()
    await tasks[1]
    assert stage.under_way == 0


async def test_one_caller_does_not_take_the_place_of_all() -> None:
    stage, end = limit({"calls_per_principal": 1}), End(ValueError("down"))
    end.hold()
    first = asyncio.ensure_future(stage(a_call(principal=key("one")), end))
    await end.came()
    with pytest.raises(RateLimited) as raised:
        await stage(a_call(principal=key("one")), End())
    assert raised.value.details["limit"] == "calls_per_principal"
    assert await let_in(stage, a_call(principal=key("other"))) == [""]
    end.let_go.set()
    with pytest.raises(ValueError, match="down"):
        await first
    assert await let_in(stage, a_call(principal=key("one"))) == [""]
    assert stage.under_way == 0
