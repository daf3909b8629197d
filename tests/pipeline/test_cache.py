"""Results that are given again: whose, for how long, and what is never kept."""

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from tests.pipeline.calls import End, Quiet, a_call, a_tool, key
from toolgate.catalog.snapshot import Route
from toolgate.config.model import Document
from toolgate.errors import ServerUnavailable
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.pipeline.stages.cache import Cache
from toolgate.protocol.eras import Era


class Clock:
    time = 1_000.0

    def __call__(self) -> float:
        return self.time


def document(cache: dict[str, float] | None = None, **limits: Any) -> Document:
    servers = {"docs": {"command": "true", "cache": cache if cache is not None else {"read": 60}}}
    return Document.model_validate({"version": 1, "limits": limits, "servers": servers})


def a_cache(cache: dict[str, float] | None = None, clock: Clock | None = None, **limits: Any) -> Cache:
    return Cache(document(cache, **limits), clock=clock or Clock())


READ = a_tool("read")
PAGE = Route("docs", "docs://page", b'{"uri":"docs://page"}')


def a_read(route: Route = PAGE, **changes: Any) -> Call:
    return a_call(route, method="resources/read", **changes)


def a_page(text: str = "x", ttl: float | None = 5_000, scope: str | None = "private") -> Reply:
    result: dict[str, Any] = {"resultType": "complete", "contents": [{"uri": "docs://page", "text": text}]}
    if ttl is not None:
        result["ttlMs"] = ttl
    if scope is not None:
        result["cacheScope"] = scope
    return Reply(json.dumps(result).encode())


async def asked(cache: Cache, end: End, *calls: Call) -> int:
    """How many of the calls, one after the other, reached the server."""
    before = len(end.calls)
    for call in calls:
        reply = await cache(call, end)
        assert reply.cached is (len(end.calls) == before) or len(calls) > 1
    return len(end.calls) - before


# Tools.


async def test_the_same_call_of_the_same_caller_is_answered_once_for_its_time() -> None:
    clock = Clock()
    cache, end = a_cache(clock=clock), End()
    first = await cache(a_call(READ, '{"page":1}'), end)
    clock.time += 59
    again = await cache(a_call(READ, '{"page":1}'), end)
    assert (first.cached, again.cached, again.payload) == (False, True, first.payload)
    clock.time += 1
    assert not (await cache(a_call(READ, '{"page":1}'), end)).cached
    assert len(end.calls) == 2


@pytest.mark.parametrize(
    "other",
    [
        a_call(READ, '{"page":2}'),
        a_call(READ, None),
        a_call(READ, '{"page":1}', principal=key("other")),
        a_call(READ, '{"page":1}', era=Era.LEGACY, version="2025-11-25"),
        a_call(READ, '{"page":1}', capabilities=b'{"elicitation":{}}'),
        a_call(READ, '{"page":1}', more={"requestState": Raw(b'"s"')}),
        a_call(READ, '{"page":1}', more={"inputResponses": Raw(b"{}")}),
        a_call(READ, '{"page":1}', more={"task": Raw(b"{}")}),
        a_call(READ, '{"page":1}', method="prompts/get"),
        a_call(a_tool("read", "other"), '{"page":1}'),
    ],
)
async def test_another_call_is_not_answered_with_it(other: Call) -> None:
    cache, end = a_cache(), End()
    await cache(a_call(READ, '{"page":1}'), end)
    assert await asked(cache, end, other) == 1


async def test_only_tools_that_are_configured_are_kept() -> None:
    assert await asked(a_cache(), end := End(), a_call(a_tool("write")), a_call(a_tool("write"))) == 2
    assert await asked(a_cache({}), end, a_call(READ), a_call(READ)) == 2


SAFE: dict[str, Any] = {"annotations": {"readOnlyHint": True, "idempotentHint": True}}


@pytest.mark.parametrize(
    ("cache", "tool", "reached"),
    [
        ({"*": 60}, a_tool("read", **SAFE), 1),
        ({"re*": 60}, a_tool("read", **SAFE), 1),
        ({"wr*": 60}, a_tool("read", **SAFE), 2),
        ({"*": 60}, a_tool("read", annotations={"readOnlyHint": True}), 2),
        ({"*": 60}, a_tool("read"), 2),
        ({"*": 60}, a_tool("read", annotations=None), 2),
        ({"*": 60}, a_tool("read", annotations={"readOnlyHint": "yes"}), 2),
        ({"read": 60}, a_tool("read"), 1),
    ],
)
async def test_a_glob_takes_only_tools_that_say_they_are_safe(
    cache: dict[str, float], tool: Route, reached: int
) -> None:
    assert await asked(a_cache(cache), End(), a_call(tool), a_call(tool)) == reached


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b'{"code":-32000,"message":"no"}', is_error=True),
        Reply(b'{"content":[],"isError":true}'),
        Reply(b'{"resultType":"input_required","inputRequests":{}}'),
        Reply(b'{"resultType":"task","taskId":"t"}'),
        Reply(b"[]"),
    ],
)
async def test_what_is_no_good_result_is_not_kept(answer: Reply) -> None:
    end = End(answer)
    assert await asked(a_cache(), end, a_call(READ), a_call(READ)) == 2


async def test_what_the_user_was_asked_for_is_not_kept() -> None:
    cache, end = a_cache(), End()

    async def asking(call: Call) -> Reply:
        assert (await call.channel.ask("elicitation/create", b"{}")).payload
        return await end(call)

    for _ in range(2):
        await cache(a_call(READ), asking)
    assert len(end.calls) == 2


async def test_what_was_kept_of_a_server_goes_with_its_catalogue() -> None:
    cache, end = a_cache(), End()
    call = a_call(READ)
    await cache(call, end)
    assert await asked(cache, end, a_call(a_tool("read"))) == 1, "the route is another"
    cache.forget("other")
    assert await asked(cache, end, a_call(end.calls[-1].route)) == 0
    cache.forget("docs")
    assert await asked(cache, end, a_call(end.calls[-1].route)) == 1


async def test_an_answer_to_what_was_asked_before_a_change_is_not_kept() -> None:
    cache, end = a_cache(), End()
    end.hold()
    old = asyncio.ensure_future(cache(a_call(READ), end))
    await end.came()
    cache.forget("docs")
    new = asyncio.ensure_future(cache(a_call(READ), end))
    await end.came()
    end.let_go.set()
    await old
    assert not (await new).cached


async def test_a_new_lifetime_holds_at_once_and_the_same_one_keeps_what_is_kept() -> None:
    clock = Clock()
    cache, end = a_cache({"read": 60}, clock), End()
    await cache(a_call(READ), end)
    cache.configure(document({"read": 60}))
    assert await asked(cache, end, a_call(READ)) == 0
    cache.configure(document({"read": 5}))
    assert await asked(cache, end, a_call(READ)) == 1
    clock.time += 6
    assert await asked(cache, end, a_call(READ)) == 1
    cache.configure(document({}))
    assert await asked(cache, end, a_call(READ)) == 1


async def test_nothing_is_kept_where_there_is_no_room_for_it() -> None:
    assert await asked(a_cache(cache_bytes=0), End(), a_call(READ), a_call(READ)) == 2


async def test_what_is_kept_stays_within_its_bounds_and_the_least_used_goes_first() -> None:
    cache, end = a_cache(cache_bytes="64KiB"), End()
    for number in range(200):
        await cache(a_call(READ, f'{{"page":{number}}}'), end)
        await cache(a_call(READ, '{"page":0}'), end)
        assert cache.results.size <= 64 * 1024
    assert len(end.calls) == 200
    assert 0 < len(cache.results) < 100
    assert await asked(cache, end, a_call(READ, '{"page":1}')) == 1
    large = End(*[Reply(b'{"content":"%s"}' % (b"x" * 8_000))] * 2)
    assert await asked(cache, large, a_call(READ, '{"large":1}'), a_call(READ, '{"large":1}')) == 2


# Resources.


async def test_a_resource_is_good_for_as_long_as_its_server_says_and_says_so_itself() -> None:
    clock = Clock()
    cache, end = a_cache({}, clock), End(a_page(ttl=5_000))
    await cache(a_read(), end)
    clock.time += 2
    reply = await cache(a_read(), end)
    result = json.loads(reply.payload)
    assert (reply.cached, result["ttlMs"], result["contents"][0]["text"]) == (True, 3_000, "x")
    assert result.keys() == {"resultType", "contents", "ttlMs", "cacheScope"}
    clock.time += 3
    assert await asked(cache, end, a_read()) == 1


@pytest.mark.parametrize(
    "answer",
    [a_page(ttl=0), a_page(ttl=-5), a_page(ttl=None), Reply(b'{"ttlMs":"long"}'), Reply(b'{"ttlMs":5}', is_error=True)],
)
async def test_a_resource_that_is_stale_at_once_is_not_kept(answer: Reply) -> None:
    assert await asked(a_cache(), End(answer), a_read(), a_read()) == 2


@pytest.mark.parametrize(("scope", "reached"), [("public", 0), ("private", 1), (None, 1), ("other", 1)])
async def test_only_what_is_public_is_given_to_another_caller(scope: str | None, reached: int) -> None:
    cache, end = a_cache(), End(a_page(scope=scope))
    await cache(a_read(principal=key("one")), end)
    assert await asked(cache, end, a_read(principal=key("other"))) == reached
    assert await asked(cache, end, a_read(principal=key("one"))) == 0


async def test_a_resource_that_no_list_has_is_kept_until_its_server_changes() -> None:
    cache, end = a_cache(), End(*[a_page()] * 2)
    assert await asked(cache, end, a_read(Route("docs", "docs://1")), a_read(Route("docs", "docs://1"))) == 1
    cache.forget("docs")
    assert await asked(cache, end, a_read(Route("docs", "docs://1"))) == 1


# Several at once.


async def started(cache: Cache, calls: list[Call], end: Proceed) -> list["asyncio.Task[Reply]"]:
    tasks = [asyncio.create_task(_run(cache, call, end)) for call in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def _run(cache: Cache, call: Call, end: Proceed) -> Reply:
    return await cache(call, end)


async def test_of_several_same_calls_one_goes_to_the_server() -> None:
    cache, end = a_cache(), End()
    end.hold()
    tasks = await started(cache, [a_call(READ) for _ in range(50)], end)
    await end.came()
    end.let_go.set()
    replies = await asyncio.gather(*tasks)
    assert len(end.calls) == 1
    assert [reply.cached for reply in replies] == [False] + [True] * 49
    assert len({reply.payload for reply in replies}) == 1


async def test_callers_do_not_wait_for_each_others_calls() -> None:
    cache, end = a_cache(), End()
    end.hold()
    tasks = await started(cache, [a_call(READ, principal=key(name)) for name in ("one", "other")], end)
    await end.came(2)
    end.let_go.set()
    assert [reply.cached for reply in await asyncio.gather(*tasks)] == [False, False]


async def test_where_the_first_goes_away_another_takes_over() -> None:
    cache, end = a_cache(), End()
    end.hold()
    tasks = await started(cache, [a_call(READ) for _ in range(10)], end)
    await end.came()
    tasks[0].cancel()
    await end.came()
    end.let_go.set()
    first, *rest = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert len(end.calls) == 2
    assert sum(isinstance(reply, Reply) and reply.cached for reply in rest) == 8


async def test_one_who_waits_and_goes_away_takes_nobody_along() -> None:
    cache, end = a_cache(), End()
    end.hold()
    tasks = await started(cache, [a_call(READ) for _ in range(3)], end)
    await end.came()
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    end.let_go.set()
    assert (await tasks[0]).payload == (await tasks[2]).payload
    assert len(end.calls) == 1


@pytest.mark.parametrize("failure", [ServerUnavailable("down", server="docs"), Reply(b'{"isError":true}')])
async def test_a_failure_is_nobodys_but_the_first_ones(failure: Reply | Exception) -> None:
    cache, end = a_cache(), End(failure)
    end.hold()
    tasks = await started(cache, [a_call(READ) for _ in range(3)], end)
    await end.came()
    end.let_go.set()
    first, *rest = await asyncio.gather(*tasks, return_exceptions=True)
    assert first is failure
    assert len(end.calls) == 3
    assert [isinstance(reply, Reply) and not reply.cached for reply in rest] == [True, True]


async def test_the_time_that_was_waited_is_taken_from_the_call() -> None:
    cache, end = a_cache(), End(ServerUnavailable("down", server="docs"))
    end.hold()
    tasks = await started(cache, [a_call(READ, timeout=5) for _ in range(2)], end)
    await end.came()
    end.let_go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [call.timeout == 5 for call in end.calls] == [True, False]


async def test_who_wants_to_hear_of_progress_has_a_call_of_its_own() -> None:
    cache, end = a_cache(), End()
    end.hold()
    channels = [Quiet(), Quiet()]

    async def telling(call: Call) -> Reply:
        call.channel.send(b"half")
        return await end(call)

    calls = [a_call(READ, meta={"progressToken": Raw(b"1")}, channel=channel) for channel in channels]
    tasks = await started(cache, [a_call(READ), *calls, a_call(READ, log_level="info")], telling)
    await end.came(4)
    end.let_go.set()
    assert [reply.cached for reply in await asyncio.gather(*tasks)] == [False] * 4
    assert [channel.heard for channel in channels] == [[b"half"], [b"half"]]


async def test_who_waits_for_a_call_that_asks_its_user_waits_no_longer() -> None:
    cache, end = a_cache(), End()
    answered = asyncio.Event()

    class Slow(Quiet):
        async def ask(self, method: str, params: bytes | None) -> Reply:
            await answered.wait()
            return Reply(b"{}")

    async def asking(call: Call) -> Reply:
        reply = await end(call)
        if len(end.calls) == 1:
            await call.channel.ask("elicitation/create", None)
        return reply

    tasks = await started(cache, [a_call(READ, channel=Slow()) for _ in range(2)], asking)
    await asyncio.wait_for(tasks[1], 5)
    assert not tasks[0].done()
    answered.set()
    await tasks[0]
    assert len(end.calls) == 2


async def test_resources_wait_for_each_other_only_where_their_server_lets_them_be_kept() -> None:
    clock = Clock()
    cache, end = a_cache(clock=clock), End(*[a_page()] * 4)
    end.hold()
    tasks = await started(cache, [a_read() for _ in range(2)], end)
    await end.came(2)
    end.let_go.set()
    await asyncio.gather(*tasks)
    clock.time += 5
    end.hold()
    tasks = await started(cache, [a_read() for _ in range(10)], end)
    await end.came()
    end.let_go.set()
    replies = await asyncio.gather(*tasks)
    assert len(end.calls) == 3
    assert sum(reply.cached for reply in replies) == 9
