import asyncio
import os
import signal
import subprocess
import sys

import psutil

from toolgate.runtime.group_keeper import GroupKeeper

GATEWAY = """
import asyncio, sys
from toolgate.runtime.group_keeper import GroupKeeper
async def main():
    keeper = GroupKeeper()
    await keeper.begin()
    for pid in sys.argv[1:3]:
        keeper.add(int(pid))
    for _ in range(64):  # a list that grew with each would never end
        keeper.remove(int(sys.argv[1]))
    keeper.add(int(sys.argv[3]))
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def sleeper() -> asyncio.subprocess.Process:
    """A group of two that listens to nothing."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "trap '' TERM HUP; sleep 60 & echo; wait; wait", stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


def members(group: int) -> list[int]:
    return [process.pid for process in psutil.process_iter() if _group(process.pid) == group and _lives(process)]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_groups_go_with_a_gateway_that_is_killed_and_those_that_it_let_go_stay() -> None:
    let_go, first, second = [await sleeper() for _ in range(3)]
    pids = [str(process.pid) for process in (let_go, first, second)]
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", GATEWAY, *pids, stdout=subprocess.PIPE)
    assert gateway.stdout is not None
    assert await gateway.stdout.readline() == b"up\n"
    [keeper] = psutil.Process(gateway.pid).children()
    assert len(members(first.pid)) == 2
    gateway.send_signal(signal.SIGKILL)
    await gateway.wait()
    async with asyncio.timeout(10):
        assert await first.wait() == await second.wait() == -signal.SIGKILL
        while members(first.pid) or members(second.pid) or _lives(keeper):  # noqa: ASYNC110  # of others nobody tells
            await asyncio.sleep(0)
    assert len(members(let_go.pid)) == 2
    os.killpg(let_go.pid, signal.SIGKILL)
    await let_go.wait()


async def test_it_ends_with_its_gateway_and_can_be_begun_again() -> None:
    keeper = GroupKeeper()
    own = psutil.Process()
    for _ in range(2):
        await keeper.begin()
        await keeper.begin()
        [shell] = [child for child in own.children() if "while read" in " ".join(child.cmdline())]
        await keeper.close()
        assert not _lives(shell)
    keeper.add(1)  # nobody listens
