"""Links over HTTP+SSE: to real servers, and to one that misbehaves."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.upstream.conftest import House, Inbox, clean, make_call, remote
from tests.upstream.servers.events import EventServer, serving_events
from tests.upstream.test_real import EVERYTHING, SDK_SERVER, exercise_everything, free_port, running
from toolgate.errors import DeadlineExceeded, ResponseTooLarge, ServerUnavailable
from toolgate.model.principal import Principal
from toolgate.protocol.eras import Era
from toolgate.upstream import sse
from toolgate.upstream.base import State

ROOTS = b'{"roots":{}}'


@pytest.fixture
async def events() -> AsyncIterator[EventServer]:
    async with serving_events(EventServer()) as server:
        yield server


async def test_server_everything_over_sse() -> None:
    port = free_port()
    async with running("node", EVERYTHING, "sse", port=port, PORT=str(port)), clean(House()) as house:
        await house.serve(remote("everything", f"http://127.0.0.1:{port}/sse"))
        await exercise_everything(house, "everything")
        answers = {"roots/list": {"roots": [{"uri": "file:///home", "name": "home"}]}}
        inbox = Inbox(answers=answers)
        shown = await house.call("everything", "get-roots-list", channel=inbox, capabilities=ROOTS)
        assert "file:///home" in str(shown)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_server_on_the_official_sdk_over_sse(tmp_path: Path, restarts: bool) -> None:
    script = tmp_path / "server.py"
    script.write_text(SDK_SERVER.replace('"streamable-http"', '"sse"'))
    port = free_port()

    async def exercise(house: House) -> None:
        assert house.status("sdk").era is Era.LEGACY
        assert (await house.call("sdk", "add", {"a": 1, "b": 2}))["structuredContent"] == {"result": 3}
        assert "remember" in str(await house.call("sdk", "memo://one", method="resources/read", params={"uri": "x"}))

    async with clean(House()) as house:
        async with running(sys.executable, str(script), str(port), port=port):
            await house.serve(remote("sdk", f"http://127.0.0.1:{port}/sse"))
            await exercise(house)
        if restarts:
            await house.audience.until_state("sdk", State.FAILING)
            async with running(sys.executable, str(script), str(port), port=port):
                await house.audience.until_state("sdk", State.READY)
                await exercise(house)


async def test_messages_go_to_the_address_that_the_stream_names(house: House, events: EventServer) -> None:
    await house.serve(remote("old", events.url + "?tenant=t", {"Authorization": "Bearer ${TOKEN}"}))
    assert (house.status("old").state, house.status("old").version) == (State.READY, "2024-11-05")
    assert (await house.call("old", "echo", {"n": 1}))["echo"]["arguments"] == {"n": 1}
    path, headers, _ = events.posts[0]
    assert path == "/messages?session=A/b%2B&key=1"
    assert headers["Authorization"] == "Bearer hunter2-secret"
    sent = [message["method"] for _, _, message in events.posts[:2]]
    assert sent == ["initialize", "notifications/initialized"]


async def test_many_calls_share_the_stream_and_none_gets_anothers_answer(house: House, events: EventServer) -> None:
    async def later(message: dict[str, Any]) -> None:
        waiting.append(message)
        if len(waiting) == 50:
            answers = [{"jsonrpc": "2.0", "id": m["id"], "result": m["params"]["arguments"]} for m in reversed(waiting)]
            await events.event(json.dumps(answers))

    waiting: list[dict[str, Any]] = []
    events.tools["later"] = later
    await house.serve(remote("old", events.url))
    results = await asyncio.gather(*(house.call("old", "later", {"n": n}) for n in range(50)))
    assert results == [{"n": n} for n in range(50)]


async def test_progress_logs_and_changed_lists_come_over_the_stream(house: House, events: EventServer) -> None:
    async def counts(message: dict[str, Any]) -> None:
        token = message["params"]["_meta"]["progressToken"]
        await events.say(method="notifications/progress", params={"progressToken": token, "progress": 1})
        await events.say(method="notifications/message", params={"level": "info", "data": "x"})
        await events.say(method="notifications/tools/list_changed")
        await events.say(id=message["id"], result={})

    events.tools["counts"] = counts
    await house.serve(remote("old", events.url))
    inbox = Inbox()
    await house.call("old", "counts", meta={"progressToken": "mine"}, channel=inbox)
    assert [message["params"].get("progressToken") for message in inbox.messages] == ["mine", None]
    await house.audience.until(lambda: len(events.heard("tools/list")) == 2)


async def test_the_server_asks_the_client_of_the_call(house: House, events: EventServer) -> None:
    async def asks(message: dict[str, Any]) -> None:
        await events.say(id="q", method="roots/list")
        events.tools["done"] = lambda _: events.say(id=message["id"], result={})

    events.tools["asks"] = asks
    await house.serve(remote("old", events.url))
    call = asyncio.create_task(
        house.call("old", "asks", channel=Inbox(answers={"roots/list": {"roots": []}}), capabilities=ROOTS)
    )
    await asyncio.wait_for(events.answered.wait(), 10)
    assert events.posts[-1][2] == {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}
    assert events.heard("initialize")[-1]["params"]["capabilities"] == {"roots": {}}
    await events.tools["done"]({})
    assert await call == {}


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(house: House, events: EventServer) -> None:
    started = asyncio.Event()

    async def hangs(_: dict[str, Any]) -> None:
        started.set()

    events.tools["hangs"] = hangs
    await house.serve(remote("old", events.url))
    call = asyncio.create_task(house.call("old", "hangs"))
    await asyncio.wait_for(started.wait(), 10)
    call.cancel()
    await asyncio.wait_for(events.cancelled.wait(), 10)
    asked = events.heard("tools/call")[0]["id"]
    assert events.heard("notifications/cancelled")[0]["params"]["requestId"] == asked


async def test_calls_fail_when_the_stream_ends_and_another_one_is_opened(house: House, events: EventServer) -> None:
    async def ends(_: dict[str, Any]) -> None:
        events.end()

    events.tools["ends"] = ends
    await house.serve(remote("old", events.url))
    with pytest.raises(ServerUnavailable, match="server 'old' ended its event stream"):
        await house.call("old", "ends")
    await house.audience.until(lambda: events.streams == 2)
    await house.audience.until_state("old", State.READY)
    assert await house.call("old", "echo")
    assert events.posts[-1][0].endswith("key=2")


@pytest.mark.parametrize(
    ("opening", "words"),
    [
        (("message", "{{}}"), "begins with something else than an endpoint event"),
        (("endpoint", "https://elsewhere.example/messages"), "wants its messages sent to another origin"),
        (("endpoint", "http://127.0.0.1:1/messages"), "wants its messages sent to another origin"),
        (("endpoint", "//elsewhere.example/messages"), "wants its messages sent to another origin"),
        (("endpoint", "file:///etc/passwd"), "wants its messages sent to another origin"),
        (("endpoint", "http://[/"), "wants its messages sent to another origin"),
        (None, "said nothing on its event stream"),
    ],
)
async def test_a_stream_that_does_not_begin_as_it_should_is_no_server(
    house: House,
    events: EventServer,
    opening: tuple[str, str] | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "_FIRST_EVENT", 0.3)
    events.opening = opening
    await house.serve(remote("old", events.url, {"Authorization": "Bearer ${TOKEN}"}))
    status = house.status("old")
    assert (status.state, words in status.reason) == (State.FAILING, True), status.reason
    assert not events.posts
    assert "hunter2" not in repr(status)


async def test_a_stream_that_ends_before_its_first_event_is_no_server(house: House, events: EventServer) -> None:
    events.opening = None
    serving = asyncio.create_task(house.serve(remote("old", events.url)))
    await asyncio.wait_for(events.opened.wait(), 10)
    events.end()
    await serving
    assert "ended its event stream at http://127.0.0.1" in house.status("old").reason


async def test_a_server_that_opens_its_stream_for_posts_too_is_recognised_by_its_first_event(
    house: House, events: EventServer
) -> None:
    events.streams_for_posts = True
    await house.serve(remote("old", events.url))
    assert house.status("old").state is State.READY
    assert await house.call("old", "echo")


async def test_what_is_neither_kind_of_server_says_what_it_said_to_the_newer(house: House, events: EventServer) -> None:
    await house.serve(remote("old", events.url.replace("/sse", "/nothing")))
    status = house.status("old")
    assert "answered 404 Not Found" in status.reason
    assert "/sse" in status.hint
    assert not events.streams


async def test_an_answer_that_is_too_large_fails_its_own_call_only(events: EventServer) -> None:
    async def big(message: dict[str, Any]) -> None:
        if message["params"]["arguments"]["tail"]:
            await events.event(json.dumps({"result": {"x": "x" * 200_000}, "jsonrpc": "2.0", "id": message["id"]}))
        else:
            await events.say(id=message["id"], result={"x": "x" * 200_000})

    async def held(message: dict[str, Any]) -> None:
        holding.set()
        events.tools["go"] = lambda _: events.say(id=message["id"], result={"held": True})

    holding = asyncio.Event()
    events.tools |= {"big": big, "held": held}
    async with clean(House(response_bytes=100_000)) as house:
        await house.serve(remote("old", events.url))
        other = asyncio.create_task(house.call("old", "held"))
        await asyncio.wait_for(holding.wait(), 10)
        for tail in (True, False):
            with pytest.raises(ResponseTooLarge):
                await house.call("old", "big", {"tail": tail})
        await events.tools["go"]({})
        assert await other == {"held": True}
        assert events.streams == 1


@pytest.mark.parametrize(("status", "words"), [(500, "refused a message with 500"), (401, "refuses access at")])
async def test_a_message_that_is_refused_fails_its_call(
    house: House, events: EventServer, status: int, words: str
) -> None:
    await house.serve(remote("old", events.url))
    events.refusals = [status]
    with pytest.raises(ServerUnavailable, match=words):
        await house.call("old", "echo")
    assert await house.call("old", "echo")


async def test_a_session_that_is_forgotten_is_opened_again_for_the_same_call(house: House, events: EventServer) -> None:
    await house.serve(remote("old", events.url))
    events.refusals = [404]
    assert await house.call("old", "echo")
    assert events.streams == 2
    assert len(events.heard("tools/call")) == 2


async def test_a_stream_that_was_dropped_in_between_is_noticed_after_a_call_that_got_no_answer(
    house: House, events: EventServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: dict[str, Any]) -> None:
        nobody.stream = events.stream
        events.stream = Nowhere()  # type: ignore[assignment]

    class Nowhere:
        async def write(self, _: bytes) -> None: ...

    nobody = EventServer()
    monkeypatch.setattr(sse, "_SIGN_OF_LIFE", 0.2)
    events.tools["silent"] = silent
    await house.serve(remote("old", events.url))
    with pytest.raises(DeadlineExceeded):
        await house.call("old", "silent", timeout=0.2)
    await house.audience.until(lambda: events.streams == 2)
    await house.audience.until_state("old", State.READY)
    assert await house.call("old", "echo")


async def test_a_server_that_is_slow_but_alive_keeps_its_stream(
    house: House, events: EventServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_: dict[str, Any]) -> None: ...

    monkeypatch.setattr(sse, "_SIGN_OF_LIFE", 5.0)
    events.tools["silent"] = silent
    await house.serve(remote("old", events.url))
    with pytest.raises(DeadlineExceeded):
        await house.call("old", "silent", timeout=0.2)
    await asyncio.wait_for(events.pinged.wait(), 10)
    assert await house.call("old", "echo")
    assert events.streams == 1


async def test_logs_are_passed_on_only_where_all_calls_are_one_principals(house: House, events: EventServer) -> None:
    async def held(message: dict[str, Any]) -> None:
        keys.append(message["id"])
        if len(keys) == 2:
            await events.say(method="notifications/message", params={"level": "error", "data": "whose?"})
            for key in keys:
                await events.say(id=key, result={})

    keys: list[int] = []
    events.tools["held"] = held
    await house.serve(remote("old", events.url))
    inboxes = Inbox(), Inbox()
    owners = Principal("key:a", "a"), Principal("key:b", "b")
    calls = [
        make_call("old", "held", channel=inbox, principal=owner) for inbox, owner in zip(inboxes, owners, strict=True)
    ]
    await asyncio.gather(*(house.of("old").send(call) for call in calls))
    assert [inbox.messages for inbox in inboxes] == [[], []]
