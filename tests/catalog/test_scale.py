"""A thousand servers with twenty thousand tools. The bounds are three times what is promised."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from toolgate.catalog.build import ALL
from toolgate.catalog.pages import PAGE, page
from toolgate.catalog.permitted import Permissions
from toolgate.catalog.refresh import Catalog, Changes
from toolgate.catalog.virtual import Bundle, Pick
from toolgate.model.principal import Principal
from toolgate.model.tool import Catalogue, Item, Kind
from toolgate.policy.teams import Rules

SERVERS = [f"server-{number}" for number in range(1000)]
TOOLS = 20
BUNDLE = Bundle("support", {Kind.TOOLS: (Pick("server-1*"), Pick("*__tool_3"))})


def offering(version: int = 0) -> Catalogue:
    schema = b'{"type":"object","properties":{"text":{"type":"string","description":"what to say"}}}'
    tools = [
        Item(f"tool_{at}", b'{"name":"tool_%d","description":"version %d","inputSchema":%s}' % (at, version, schema))
        for at in range(TOOLS)
    ]
    return Catalogue({Kind.TOOLS: tuple(tools), Kind.RESOURCES: (Item("t://the-same", b'{"uri":"t://the-same"}'),)})


@pytest.fixture(scope="module")
def full() -> Catalog:
    return asyncio.run(_full())


async def _full() -> Catalog:
    catalog = Catalog()
    catalog.configure(SERVERS, [BUNDLE])
    for server in SERVERS:
        catalog.learn(server, offering())
    await catalog.built()
    return catalog


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """For how many seconds nobody else could run, each time."""
    found: list[float] = []

    async def watch() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            found.append(now - before)
            before = now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def typical(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


async def test_one_servers_change_is_there_soon_and_holds_nobody_up(full: Catalog) -> None:
    took: list[float] = []
    longest: list[float] = []
    for version in range(1, 12):
        began = time.perf_counter()
        async with stalls() as found:
            full.learn(SERVERS[500], offering(version))
            await full.built()
        took.append(time.perf_counter() - began)
        longest.append(max(found))
    assert len(full.current.views[ALL].of(Kind.TOOLS)) == TOOLS * len(SERVERS)
    assert typical(took) < 0.15
    assert typical(longest) < 0.03


async def test_servers_that_become_ready_one_after_the_other_are_built_together() -> None:
    catalog = Catalog()
    catalog.configure(SERVERS, [BUNDLE])
    told: list[Changes] = []
    catalog.subscribe(told.append)
    began = time.perf_counter()
    for server in SERVERS:
        catalog.learn(server, offering())
        await asyncio.sleep(0)
    await catalog.built()
    assert len(told) < 100, "a build takes a few times as long to pass as to be made"
    assert time.perf_counter() - began < 3
    assert len(catalog.current.views[ALL].of(Kind.TOOLS)) == TOOLS * len(SERVERS)
    assert len(catalog.current.views[ALL].of(Kind.RESOURCES)) == len(SERVERS)


def test_a_page_costs_what_is_on_it(full: Catalog) -> None:
    listing = full.current.views[ALL].of(Kind.TOOLS)
    took: list[float] = []
    cursor: str | None = None
    for _ in range(len(listing) // PAGE):
        began = time.perf_counter()
        body = page(listing, "tools", cursor)
        took.append(time.perf_counter() - began)
        _, _, following = body.rpartition(b'"nextCursor":"')
        cursor = following.rstrip(b'"').decode()
    assert typical(took) < 0.015


def test_a_team_is_shown_its_part_without_a_look_at_all_the_others(full: Catalog) -> None:
    permissions = Permissions()
    permissions.configure(Rules({"t": ["server-9*"]}))
    asking = Principal("key:k", "k", ("t",))
    began = time.perf_counter()
    view = permissions.view(full.current, ALL, asking)
    assert view.of(Kind.TOOLS).route("server-9__tool_1") is not None
    assert view.of(Kind.TOOLS).route("server-1__tool_1") is None
    page(view.of(Kind.TOOLS), "tools", None)
    assert time.perf_counter() - began < 0.1
    assert len(view.of(Kind.TOOLS)) == TOOLS * 111


async def test_the_garbage_collector_sees_servers_and_no_tools() -> None:
    gc.collect()
    before = len(gc.get_objects())
    catalog = await _full()
    gc.collect()
    assert len(gc.get_objects()) - before < 30 * len(SERVERS)
    entry = catalog.current.views[ALL].of(Kind.TOOLS).entries[0]
    assert not any(gc.is_tracked(one) for one in (entry, entry.route, offering().of(Kind.TOOLS)[0]))
