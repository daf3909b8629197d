"""What a server says of its lists as a whole: for how long they are good, for whom, and what no revision knows."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.upstream.conftest import House, stub
from toolgate.model.freshness import INTRODUCTION, Freshness, Hint
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.upstream import refresh
from toolgate.upstream.base import Link
from toolgate.upstream.era import judge
from toolgate.upstream.listing import read
from toolgate.upstream.refresh import Refresher

HOUR = 3_600_000


class Pages:
    """Implements as much of `Link` as lists need. The cursor is the number of a page."""

    era = Era.MODERN
    version = "2026-07-28"

    def __init__(self, pages: list[Mapping[str, Any]], head: Mapping[str, Any] | None = None) -> None:
        self._pages = pages
        self.catalogue_head = Catalogue({}, {"tools": {}}, **(head or {}))
        self.asked: Callable[[], object] = lambda: None

    async def request(self, method: str, params: bytes | None, timeout: float) -> Reply:
        self.asked()
        at = int(json.loads(params)["cursor"]) if params else 0
        more = {"nextCursor": str(at + 1)} if at + 1 < len(self._pages) else {}
        return Reply(json.dumps({"tools": [{"name": f"t{at}"}], **self._pages[at], **more}).encode())

    async def send(self, call: Call) -> Reply: ...  # type: ignore[empty-body]
    async def subscribe(self, uri: str, more: bytes) -> Reply: ...  # type: ignore[empty-body]
    async def unsubscribe(self, uri: str) -> Reply: ...  # type: ignore[empty-body]
    async def closed(self) -> Any: ...
    async def close(self, grace: float) -> None: ...


async def tools_of(*pages: Mapping[str, Any], before: Catalogue | None = None, **head: Any) -> Catalogue:
    link: Link = Pages(list(pages), head)
    return await read("s", link, {Kind.TOOLS}, before, 5)


def hint(catalogue: Catalogue, method: str = "tools/list") -> tuple[float, bool]:
    found = catalogue.freshness.of(method)
    assert found is not None
    return found.seconds, found.public


async def test_a_list_is_good_for_as_long_as_the_page_that_ends_first_and_public_if_all_are() -> None:
    first, second = {"ttlMs": 60_000, "cacheScope": "public"}, {"ttlMs": 2_500, "cacheScope": "public"}
    assert hint(await tools_of(first)) == (60, True)
    assert hint(await tools_of(first, second)) == (2.5, True)
    assert hint(await tools_of(second, {**first, "cacheScope": "private"})) == (2.5, False)
    assert hint(await tools_of(first, {})) == (0, False)


@pytest.mark.parametrize("ttl", [-1, 1.5, "60000", None, True, [1]])
async def test_what_is_no_lifetime_is_none(ttl: Any) -> None:
    listed = await tools_of({"ttlMs": ttl, "cacheScope": ["public"]})
    assert hint(listed) == (0, False)
    assert [item.name for item in listed.of(Kind.TOOLS)] == ["t0"]


async def test_no_lifetime_is_longer_than_a_year() -> None:
    assert hint(await tools_of({"ttlMs": 10**30}))[0] == 365 * 24 * 3600


async def test_a_list_that_a_server_does_not_have_stands_in_nobodys_way() -> None:
    assert hint(await tools_of({}), "prompts/list") == (float("inf"), True)


async def test_members_that_only_the_server_knows_are_kept_and_those_of_the_protocol_are_not() -> None:
    meta = {"a/b": 1, "io.modelcontextprotocol/serverInfo": {"name": "x"}}
    first = {"ttlMs": 5, "resultType": "complete", "odd": [1], "_meta": meta}
    listed = await tools_of(first, {"odd": 2, "_meta": {"c/d": 2}, "later": None})
    assert json.loads(listed.more["tools/list"]) == {"odd": [1], "_meta": {"a/b": 1}, "later": None}
    assert not (await tools_of({"_meta": 5})).more, "a `_meta` that is none is left out"
    assert not (await tools_of({"_meta": {}}, before=listed)).more, "and so is what is said no longer"


async def test_digits_beyond_doubles_stay() -> None:
    greeting = b'{"supportedVersions":["2026-07-28"],"ttlMs":5,"x":1.10,"_meta":{"a/b":12345678901234567890123}}'
    hello = judge(Reply(greeting), "2026-07-28").hello
    assert hello is not None
    assert hello.head.more == {INTRODUCTION: b'{"x":1.10,"_meta":{"a/b":12345678901234567890123}}'}
    assert hint(hello.head, INTRODUCTION) == (0.005, False)


async def test_what_is_said_of_an_introduction_is_that_of_the_link() -> None:
    before = Catalogue({}, more={INTRODUCTION: b'{"old":1}', "prompts/list": b'{"stays":1}'})
    fresh = Freshness({INTRODUCTION: Hint(time.time(), 5, public=True)})
    listed = await tools_of({}, before=before, freshness=fresh, more={INTRODUCTION: b'{"new":1}'})
    assert listed.more == {INTRODUCTION: b'{"new":1}', "prompts/list": b'{"stays":1}'}
    assert hint(listed, INTRODUCTION) == (5, True)


async def test_a_list_that_has_changed_while_it_was_read_is_not_fresh() -> None:
    learnt: list[Catalogue] = []

    class Enough(Exception):
        pass

    def learn(link: Link, catalogue: Catalogue) -> None:
        learnt.append(catalogue)
        if len(learnt) == 2:
            raise Enough

    link = Pages([{"ttlMs": HOUR}])
    refresher = Refresher(stub(), None, learn, lambda error: pytest.fail(str(error)))

    def change_once() -> None:
        link.asked = lambda: None
        refresher.changed(frozenset({Kind.TOOLS}))

    link.asked = change_once
    with pytest.raises(Enough):
        await refresher.run(link)
    assert [hint(catalogue)[0] for catalogue in learnt] == [0, HOUR / 1000]


@pytest.mark.parametrize(("ttl", "reads"), [(HOUR, 2), (0, 1)])
async def test_a_server_that_announces_changes_is_read_again_where_it_says_that_lists_grow_old(
    monkeypatch: pytest.MonkeyPatch, ttl: int, reads: int
) -> None:
    monkeypatch.setattr(refresh, "_INTERVAL", 0.001)
    monkeypatch.setattr(refresh, "_DEBOUNCE", 0)
    learnt: list[Catalogue] = []
    twice = asyncio.Event()

    def learn(_: Link, catalogue: Catalogue) -> None:
        learnt.append(catalogue)
        if len(learnt) == 2:
            twice.set()

    link = Pages([{"ttlMs": ttl}])
    link.catalogue_head = Catalogue({}, {"tools": {"listChanged": True}})
    refresher = Refresher(stub(), None, learn, lambda error: pytest.fail(str(error)))
    running = asyncio.create_task(refresher.run(link))
    with suppress(TimeoutError):
        await asyncio.wait_for(twice.wait(), 10 if reads == 2 else 0.2)
    running.cancel()
    assert min(len(learnt), 2) == reads


async def test_a_change_that_is_announced_ends_what_was_told_at_once(house: House) -> None:
    more = {"tools/list": {"ttlMs": HOUR, "cacheScope": "public"}}
    await house.serve(stub(mode="modern", env={"MORE": json.dumps(more)}))
    first = house.audience.catalogues[-1][1]
    assert hint(first) == (HOUR / 1000, True)
    await house.call("stub", "add", {"name": "another"})
    await house.audience.until(lambda: "another" in house.audience.tools("stub"))
    told = [catalogue for _, catalogue in house.audience.catalogues]
    assert hint(first) == (0, True)
    assert told[told.index(first) + 1] is first, "which is said before it is read again"
    assert hint(told[-1]) == (HOUR / 1000, True)


async def test_what_a_further_link_announces_says_nothing_of_what_the_first_has_read(house: House) -> None:
    more = {"tools/list": {"ttlMs": HOUR}}
    await house.serve(stub(env={"MORE": json.dumps(more)}))
    told = len(house.audience.catalogues)
    await house.call("stub", "add", {"name": "another"}, capabilities=b'{"roots":{}}')
    assert len(house.audience.catalogues) == told
