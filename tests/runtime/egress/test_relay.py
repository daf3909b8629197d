import asyncio
import socket
from contextlib import closing

import pytest

from tests.runtime.egress.conftest import Run
from toolgate.runtime.egress.relay import relay


def pair() -> tuple[socket.socket, socket.socket]:
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


class Line:
    """A client and a host, with a relay between."""

    def __init__(self, idle: float = 20) -> None:
        self.client, inner = pair()
        outer, self.host = pair()
        self._ends = (inner, outer)
        self.judged = b""
        self.task = asyncio.ensure_future(relay(inner, outer, self._judge, idle=idle))
        self.task.add_done_callback(self._ended)

    def _judge(self, data: bytes) -> None:
        self.judged += data
        if b"evil" in data:
            raise ValueError("evil")

    def _ended(self, _: object) -> None:
        for end in self._ends:
            end.close()

    def close(self) -> None:
        self.client.close()
        self.host.close()


def test_both_directions_are_carried_and_each_end_is_passed_on(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with closing(Line()) as line:
            await loop.sock_sendall(line.client, b"question")
            line.client.shutdown(socket.SHUT_WR)
            assert await loop.sock_recv(line.host, 100) == b"question"
            assert await loop.sock_recv(line.host, 100) == b""
            await loop.sock_sendall(line.host, b"answer")
            assert await loop.sock_recv(line.client, 100) == b"answer"
            assert not line.task.done()
            line.host.close()
            assert await loop.sock_recv(line.client, 100) == b""
            await asyncio.wait_for(line.task, 5)
            assert line.judged == b"question"

    run(scenario())


def test_what_is_not_read_is_not_taken(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with closing(Line()) as line:
            sending = asyncio.ensure_future(loop.sock_sendall(line.client, b"x" * 5_000_000))
            sent = 0
            while len(line.judged) > sent or not sent:  # until nothing moves any more
                sent = len(line.judged)
                for _ in range(200):
                    await asyncio.sleep(0)
            assert sent < 2_000_000
            received = 0
            while received < 5_000_000:
                received += len(await loop.sock_recv(line.host, 2**20))
            await sending
            line.client.shutdown(socket.SHUT_WR)
            line.host.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(line.task, 5)

    run(scenario())


def test_what_is_judged_ill_is_not_passed_on(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with closing(Line()) as line:
            await loop.sock_sendall(line.client, b"good")
            assert await loop.sock_recv(line.host, 100) == b"good"
            await loop.sock_sendall(line.client, b"evil")
            with pytest.raises(ValueError, match="evil"):
                await asyncio.wait_for(line.task, 5)
            assert await loop.sock_recv(line.host, 100) == b""

    run(scenario())


def test_a_connection_on_which_nothing_moves_is_ended(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        with closing(Line(idle=0.4)) as line:
            began = loop.time()
            while loop.time() < began + 0.6:
                await loop.sock_sendall(line.host, b"tick")
                await loop.sock_recv(line.client, 100)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(line.task, 5)
            assert 0.8 < loop.time() - began < 5

    run(scenario())
