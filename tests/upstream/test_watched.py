"""Updates of resources: asked for once, heard by all who want them, asked for again on a new link."""

import asyncio
from typing import Any

import pytest

from tests.upstream.conftest import House, stub
from toolgate.upstream.base import State

BOTH = pytest.mark.parametrize("mode", ["watched", "modern"])


class Ear:
    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def __call__(self, uri: str, params: bytes) -> None:
        self.heard.put_nowait((uri, params))

    async def next(self) -> str:
        return (await asyncio.wait_for(self.heard.get(), 20))[0]


async def touch(house: House, uri: str) -> Any:
    return (await house.call("stub", "touch", {"uri": uri}))["subscriptions"]


@BOTH
async def test_all_who_want_to_hear_of_a_resource_do_and_the_server_is_asked_once(house: House, mode: str) -> None:
    await house.serve(stub(mode=mode))
    one, two = Ear(), Ear()
    for ear in (one, two):
        assert not (await house.of("stub").subscribe("memo://one", ear, 20)).is_error
    asked = await touch(house, "memo://one")
    assert (await one.next(), await two.next()) == ("memo://one", "memo://one")
    assert asked[-1] == (["memo://one"] if mode == "modern" else ["resources/subscribe", "memo://one"])
    assert sum("memo://one" in entry for entry in asked) == 1


@BOTH
async def test_the_last_who_leaves_ends_it_at_the_server(house: House, mode: str) -> None:
    await house.serve(stub(mode=mode))
    one, two = Ear(), Ear()
    upstream = house.of("stub")
    for ear in (one, two):
        await upstream.subscribe("memo://one", ear, 20)
    await upstream.unsubscribe("memo://one", one)
    await touch(house, "memo://one")
    assert await two.next() == "memo://one"
    assert one.heard.empty()
    await upstream.unsubscribe("memo://one", two)
    asked = await touch(house, "memo://one")
    if mode == "modern":
        assert asked[-1] == []
    else:
        assert asked[-1] == ["resources/unsubscribe", "memo://one"]
    assert two.heard.empty()


@BOTH
async def test_what_is_below_a_resource_counts_as_it(house: House, mode: str) -> None:
    await house.serve(stub(mode=mode))
    ear = Ear()
    await house.of("stub").subscribe("memo://folder/", ear, 20)
    await touch(house, "memo://folder/file")
    assert await ear.next() == "memo://folder/file"


async def test_a_refusal_is_the_servers_own(house: House) -> None:
    await house.serve(stub(mode="watched"))
    reply = await house.of("stub").subscribe("x://none", Ear(), 20)
    assert (reply.is_error, b"-32002" in reply.payload) == (True, True)


async def test_what_the_first_tells_beside_the_uri_goes_to_the_server_and_to_the_next_link(house: House) -> None:
    await house.serve(stub(mode="watched"))
    first, second = b'{"since":5,"_meta":{"a/b":1}}', b'{"since":6}'
    for more in (first, second):
        await house.of("stub").subscribe("memo://one", Ear(), 20, more)
    told = ["resources/subscribe", "memo://one", {"since": 5, "_meta": {"a/b": 1}, "uri": "memo://one"}]
    assert await touch(house, "memo://none") == [told]
    read = len(house.audience.catalogues)
    dying = asyncio.create_task(house.call("stub", "die"))
    await house.audience.until_state("stub", State.STARTING)
    await asyncio.gather(dying, return_exceptions=True)
    await house.audience.until(lambda: len(house.audience.catalogues) > read)
    assert await touch(house, "memo://none") == [told]


@BOTH
async def test_a_new_link_is_asked_for_what_the_old_one_told(house: House, mode: str) -> None:
    await house.serve(stub(mode=mode))
    ear = Ear()
    await house.of("stub").subscribe("memo://one", ear, 20)
    read = len(house.audience.catalogues)
    dying = asyncio.create_task(house.call("stub", "die"))
    await house.audience.until_state("stub", State.STARTING)
    await asyncio.gather(dying, return_exceptions=True)
    await house.audience.until(lambda: len(house.audience.catalogues) > read)
    assert "memo://one" in str(await touch(house, "memo://one"))
    assert await ear.next() == "memo://one"
