import asyncio
import socket
from contextlib import suppress

from tests.runtime.egress.conftest import Run
from toolgate.runtime.egress.doors import Doors


class Room:
    """Serves until it is told to stop."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.served = 0
        self.leave = asyncio.Event()

    async def __call__(self, connection: socket.socket) -> None:
        self.inside += 1
        self.served += 1
        self.most = max(self.most, self.inside)
        try:
            await self.leave.wait()
        finally:
            self.inside -= 1


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(64)
    return made


async def until(room: Room, served: int) -> None:
    async with asyncio.timeout(10):
        while room.served < served:  # noqa: ASYNC110 - connections come from the kernel
            await asyncio.sleep(0)


def test_who_comes_while_all_places_are_taken_waits(run: Run) -> None:
    async def scenario() -> None:
        doors, room = Doors(most=3), Room()
        one, other = listener(), listener()
        doors.open(one, room)
        doors.open(other, room)
        clients = [socket.create_connection(each.getsockname()) for each in (one, other) * 5]
        await until(room, 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert room.served == 3
        room.leave.set()
        await until(room, 10)
        doors.shut()
        await doors.gone()
        assert room.most == 3
        for client in clients:
            assert client.recv(1) == b""
            client.close()

    run(scenario())


def test_what_is_shut_leaves_nothing_even_of_what_had_not_begun(run: Run) -> None:
    async def scenario() -> None:
        doors, room = Doors(most=8), Room()
        door = listener()
        doors.open(door, room)
        clients = [socket.create_connection(door.getsockname()) for _ in range(4)]
        await until(room, 1)
        before = len(asyncio.all_tasks())
        doors.shut()
        await doors.gone()
        assert before > 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (room.inside, door.fileno()) == (0, -1)
        for client in clients:
            client.settimeout(5)
            with suppress(ConnectionResetError):  # it was still in the queue of the kernel
                assert client.recv(1) == b""
            client.close()

    run(scenario())
