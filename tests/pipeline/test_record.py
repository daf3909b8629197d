"""Each call leaves one record and one line that say how it ended, and nothing of what was in it."""

import asyncio
import logging
from contextlib import suppress

import pytest

from tests.pipeline.calls import a_call, a_tool
from toolgate.errors import AuditFull, ServerUnavailable
from toolgate.observe.recorded import Recorded
from toolgate.observe.spans import Span
from toolgate.observe.tracing import Tracer
from toolgate.pipeline.build import pipeline
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.pipeline.stages.record import Record


class Kept:
    """Implements `pipeline.stages.record.Recording`; while it is `full`, `room` waits for `emptied`."""

    def __init__(self) -> None:
        self.records: list[Recorded] = []
        self.full = False
        self.emptied = asyncio.Event()

    async def room(self) -> None:
        if not self.full:
            return
        await self.emptied.wait()
        self.full = False

    def put(self, recorded: Recorded) -> None:
        self.records.append(recorded)


async def succeed(call: Call) -> Reply:
    return Reply(b"{}")


async def refuse(call: Call) -> Reply:
    return Reply(b'{"code":1}', is_error=True)


async def fail(call: Call) -> Reply:
    return Reply(b'{"content":[],"isError": true}')


async def mention_failure(call: Call) -> Reply:
    return Reply(b'{"content":[{"type":"text","text":"\\"isError\\":true"}],"isError":false}')


async def answer_from_memory(call: Call) -> Reply:
    return Reply(b"{}", cached=True)


async def be_down(call: Call) -> Reply:
    raise ServerUnavailable("down", server="time")


async def be_cancelled(call: Call) -> Reply:
    raise asyncio.CancelledError


async def break_down(call: Call) -> Reply:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("end", "outcome", "level"),
    [
        (succeed, "ok", "DEBUG"),
        (answer_from_memory, "ok", "DEBUG"),
        (fail, "failed", "DEBUG"),
        (mention_failure, "ok", "DEBUG"),
        (refuse, "error", "DEBUG"),
        (be_down, "server-unavailable", "WARNING"),
        (be_cancelled, "cancelled", "DEBUG"),
        (break_down, "internal", "WARNING"),
    ],
)
async def test_a_call_leaves_one_record_and_one_line(
    end: Proceed, outcome: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "toolgate.calls")
    kept = Kept()
    with suppress(ServerUnavailable, asyncio.CancelledError, ZeroDivisionError):
        await pipeline(end, [Record(kept)])(a_call(a_tool("now", "time"), '{"password":"hunter2"}', size=77))
    [recorded] = kept.records
    assert (recorded.server, recorded.name, recorded.outcome, recorded.sent) == ("time", "now", outcome, 77)
    assert recorded.cached is (end is answer_from_memory)
    [line] = caplog.records
    assert (line.levelname, line.getMessage()) == (level, f"tools/call time now: {outcome}")
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(kept.records)


async def test_no_call_begins_while_it_could_not_be_recorded() -> None:
    kept, begun = Kept(), asyncio.Event()
    kept.full = True

    async def begin(call: Call) -> Reply:
        begun.set()
        return Reply(b"{}")

    waiting = asyncio.create_task(_run(begin, kept))
    await asyncio.sleep(0)
    assert not begun.is_set()
    kept.emptied.set()
    await waiting
    assert begun.is_set()
    assert len(kept.records) == 1


async def test_a_call_that_is_refused_for_want_of_room_is_not_recorded() -> None:
    class Full(Kept):
        async def room(self) -> None:
            raise AuditFull("full")

    kept = Full()
    kept.full = True
    with pytest.raises(AuditFull):
        await _run(succeed, kept)
    assert not kept.records


async def test_a_sampled_call_leaves_its_spans() -> None:
    taken: list[Span] = []
    tracer = Tracer(taken.extend, ratio=1.0)
    kept = Kept()
    await pipeline(succeed, [Record(kept)])(a_call(a_tool("now", "time"), trace=tracer.begin()))
    assert [span.name for span in taken] == ["tools/call now", "admission"]
    assert kept.records[0].trace == taken[0].trace


async def _run(end: Proceed, kept: Kept) -> Reply:
    return await pipeline(end, [Record(kept)])(a_call())


async def test_stages_run_in_their_order_around_the_end() -> None:
    told: list[str] = []

    def stage(name: str) -> object:
        async def run(call: Call, proceed: Proceed) -> Reply:
            told.append(f"{name} in")
            reply = await proceed(call)
            told.append(f"{name} out")
            return reply

        return run

    await pipeline(succeed, [stage("first"), stage("second")])(a_call())  # type: ignore[list-item]
    assert told == ["first in", "second in", "second out", "first out"]
