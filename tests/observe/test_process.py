import asyncio
import time

import psutil
import pytest

from toolgate.observe.families import FAMILIES
from toolgate.observe.lag import LoopLag
from toolgate.observe.process import figures


def test_the_process_is_described_as_another_program_sees_it() -> None:
    found, other = figures(), psutil.Process()
    assert found.keys() == {name for name in FAMILIES if name.startswith("process_")}
    assert found["process_resident_memory_bytes"] == pytest.approx(other.memory_info().rss, rel=0.1)
    assert found["process_open_fds"] == pytest.approx(other.num_fds(), abs=2)
    assert found["process_threads"] == other.num_threads()
    assert found["process_start_time_seconds"] == pytest.approx(other.create_time(), abs=1.5)
    assert found["process_cpu_seconds_total"] == pytest.approx(sum(other.cpu_times()[:2]), abs=0.2)


async def test_a_loop_that_is_held_up_is_late() -> None:
    lag = LoopLag(interval=0.001)
    assert dict(lag.read()) == {("max",): 0.0, ("mean",): 0.0}
    lag.start()
    try:
        time.sleep(0.05)  # noqa: ASYNC251  # this is what is measured
        for _ in range(3):
            await asyncio.sleep(0)
    finally:
        lag.close()
    found = dict(lag.read())
    assert 0.04 < found[("max",)] < 5
    assert found[("mean",)] <= found[("max",)]
