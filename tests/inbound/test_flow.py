"""A large result on its way to the client."""

import asyncio

import aiohttp
import pytest

from tests.inbound.conftest import Front
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import notification
from toolgate.protocol.eras import Era

PIECES = [b'{"resultType":"complete","text":"', *[b"x" * 50_000] * 40, b'"}}']


class Pieces:
    """Implements `pipeline.call.Flow`."""

    def __init__(self, pieces: list[bytes], breaks: bool = False) -> None:
        self.length = sum(map(len, PIECES))
        self.closed = asyncio.Event()
        self._left = list(pieces)
        self._breaks = breaks

    async def chunk(self) -> bytes:
        await asyncio.sleep(0)
        if self._left:
            return self._left.pop(0)
        if self._breaks:
            raise ConnectionResetError
        return b""

    def close(self) -> None:
        self.closed.set()


async def test_it_arrives_whole_under_the_client_s_own_id(front: Front) -> None:
    flow = Pieces(PIECES)

    async def road(call: Call) -> Reply:
        assert call.flows
        return Reply(b"", flow=flow)

    front.road, front.server_era = road, Era.MODERN
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        assert answer.headers["Content-Length"]
        assert await answer.json() == {
            "jsonrpc": "2.0",
            "id": 1,
            "result": {"resultType": "complete", "text": "x" * 2_000_000},
        }
    assert flow.closed.is_set()


async def test_behind_progress_it_goes_on_the_stream(front: Front) -> None:
    async def road(call: Call) -> Reply:
        call.channel.send(notification("notifications/progress", b'{"progressToken":1,"progress":1}'))
        return Reply(b"", flow=Pieces(PIECES))

    front.road, front.server_era = road, Era.MODERN
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        text = (await answer.content.read()).decode()
    assert text.count("data: ") == 2
    assert text.rstrip().endswith('"}}')


async def test_one_that_breaks_off_does_not_look_whole(front: Front) -> None:
    async def road(call: Call) -> Reply:
        return Reply(b"", flow=Pieces(PIECES[:3], breaks=True))

    front.road, front.server_era = road, Era.MODERN
    with pytest.raises(aiohttp.ClientPayloadError):
        async with front.modern("tools/call", {"name": "one__look"}) as answer:
            await answer.read()


async def test_a_client_that_goes_ends_it(front: Front) -> None:
    flow = Pieces([PIECES[0], *[b"x" * 50_000] * 1_000])

    async def road(call: Call) -> Reply:
        return Reply(b"", flow=flow)

    front.road, front.server_era = road, Era.MODERN
    async with front.modern("tools/call", {"name": "one__look"}) as answer:
        assert answer.status == 200
        await answer.content.readany()
        answer.close()
    await asyncio.wait_for(flow.closed.wait(), 10)
