import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.runtime.egress.conftest import Run
from toolgate.runtime.egress.entering import NotEntered, bind_inside


@asynccontextmanager
async def unshared(*how: str) -> AsyncIterator[int]:
    """A process behind a network of its own."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", *how, "sh", "-c", "echo up; exec sleep 60"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"up\n"
        yield process.pid
    finally:
        process.kill()
        await process.communicate()


# A container's first process: in a network that root owns, as a user of its own.
CONTAINER = ("--net", "setpriv", "--reuid=54717", "--regid=54717", "--clear-groups", "--")


@pytest.mark.parametrize("how", [("--user", "--net"), CONTAINER if os.geteuid() == 0 else ("--map-root-user", "--net")])
def test_sockets_are_bound_in_the_network_of_a_process_and_inherited_by_nobody(how: tuple[str, ...], run: Run) -> None:
    async def scenario() -> None:
        async with unshared(*how) as pid:
            bound = await bind_inside(pid, [443, 80], ["127.1.0.0", "10.0.0.5"])
            sockets = (*bound.listeners, bound.datagrams, bound.stream)
            try:
                names = [each.getsockname() for each in sockets]
                assert names == [("0.0.0.0", 443), ("0.0.0.0", 80), ("127.0.0.1", 53), ("127.0.0.1", 53)]  # noqa: S104
                assert bound.datagrams.type == socket.SOCK_DGRAM
                assert not any(os.get_inheritable(each.fileno()) for each in sockets)
            finally:
                bound.close()

    run(scenario())


def test_what_can_not_be_bound_says_why(run: Run) -> None:
    async def scenario() -> None:
        async with unshared("--user", "--net") as pid:
            with pytest.raises(NotEntered, match=r"can not be entered: .*Address already in use"):
                await bind_inside(pid, [443, 443], [])

    run(scenario())
