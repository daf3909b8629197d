"""`toolgate up --workers 2`, as a person starts it."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.test_up import line as line_of
from tests.cli.test_up import typed
from tests.conftest import StartGateway
from tests.peers import LEGACY, http_peer
from tests.running import RunningGateway
from tests.workers.lines import lines, owned_by

DEMO = {"command": sys.executable, "args": ["-m", "toolgate.demo.server"]}
FIRST, SECOND = owned_by(0), owned_by(1)
CONFIG: dict[str, Any] = {"version": 1, "sources": [], "workers": 2, "servers": {FIRST: DEMO, SECOND: DEMO}}


def workers_of(gateway: RunningGateway) -> list[psutil.Process]:
    return psutil.Process(gateway.process.pid).children()


def owner_of(gateway: RunningGateway, number: int) -> psutil.Process:
    """The worker with one server of its own; they are started in their order."""
    return sorted(workers_of(gateway), key=lambda worker: worker.pid)[number]


async def test_every_worker_serves_every_server(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    async with lines(gateway.url) as each:
        for line in each:
            for server in (FIRST, SECOND):
                answer = await line.call(f"{server}__echo", text="hello")
                assert answer["result"]["content"][0]["text"] == "hello"
    demos = [child for child in gateway.children() if child.cmdline()[1:] == DEMO["args"]]
    assert len(demos) == 2, "each server runs once"
    status = await gateway.status()
    assert [status[server]["calls"] for server in (FIRST, SECOND)] == [2, 2]


async def test_a_server_behind_a_url_is_reached_by_each(start_gateway: StartGateway) -> None:
    inner = await start_gateway({"version": 1, "sources": [], "servers": {"one": DEMO}})
    await inner.settled()
    gateway = await start_gateway(
        {"version": 1, "sources": [], "workers": 2, "servers": {"inner": {"url": inner.endpoint("one")}}}
    )
    await gateway.settled()
    async with lines(gateway.url) as each:
        for line in each:
            assert "result" in await line.call("inner__echo", text="hello")
    assert (await gateway.status())["inner"]["calls"] == 2


async def test_one_session_goes_on_over_connections_to_both(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    async with http_peer(gateway.endpoint(), version=LEGACY) as peer:
        assert peer.session_id is not None
        for _ in range(12):
            head = {"Mcp-Session-Id": peer.session_id, "Accept": "application/json, text/event-stream"}
            body = {"jsonrpc": "2.0", "id": 9, "method": "tools/call",
                    "params": {"name": f"{SECOND}__add", "arguments": {"a": 1, "b": 2}}}  # fmt: skip
            head["Connection"] = "close"
            async with gateway.session.post(gateway.endpoint(), json=body, headers=head) as response:
                assert response.status == 200, await response.text()
                assert '"sum":3' in (await response.text()).replace(" ", "").replace('\\"', '"')


@pytest.mark.parametrize("victim", [0, 1])
async def test_a_worker_that_was_killed_is_started_again_and_the_other_goes_on(
    start_gateway: StartGateway, victim: int
) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    theirs, ours = (FIRST, SECOND) if victim == 0 else (SECOND, FIRST)
    dead = owner_of(gateway, victim)
    refusals: list[str] = []
    async with lines(gateway.url) as each:
        dead.send_signal(signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, [dead], 5)
        alive = await _still_answering(each, f"{ours}__echo")
        async with asyncio.timeout(20):
            while "error" in (answer := await alive.call(f"{theirs}__echo", text="back")):
                refusals.append(answer["error"]["message"])
                assert "result" in await alive.call(f"{ours}__echo", text="hello")
    assert answer["result"]["content"][0]["text"] == "back"
    assert all(f"server '{theirs}' is down: worker {victim}" in refusal for refusal in refusals), set(refusals)
    async with lines(gateway.url) as each:
        for line in each:
            for server in (FIRST, SECOND):
                assert "result" in await line.call(f"{server}__echo", text="hello")


async def _still_answering(each: list[Any], tool: str) -> Any:
    for line in each:
        try:
            if "result" in await line.call(tool, text="hello"):
                return line
        except OSError:
            continue
    raise AssertionError("no worker is left")


async def test_nothing_is_left_behind(start_gateway: StartGateway) -> None:
    before = _shared()
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    state = gateway.folder / "state"
    assert json.loads((state / "run.json").read_text())["pid"] == gateway.process.pid
    await gateway.stop()
    assert not (state / "run.json").exists()
    assert not list(gateway.folder.rglob("workers-*"))
    assert not _shared() - before


def _shared() -> set[str]:
    """The shared memory and semaphores that have names (Linux)."""
    folder = Path("/dev/shm")  # noqa: S108  # looked into
    return set(os.listdir(folder)) if folder.exists() else set()


async def test_workers_end_with_a_parent_that_was_killed(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    children = gateway.children()
    gateway.process.kill()
    await gateway.process.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 15)
    assert not alive
    assert not list(gateway.folder.rglob("workers-*"))


async def test_limits_hold_over_all_workers(start_gateway: StartGateway) -> None:
    limits = {"total_rate": "300/hour burst 300"}
    gateway = await start_gateway({**CONFIG, "limits": limits})
    await gateway.settled()
    async with lines(gateway.url) as each:
        answers = await asyncio.gather(
            *(line.call(f"{server}__echo", text="x") for _ in range(250) for line in each for server in (FIRST, SECOND))
        )
    let_in = sum("result" in answer for answer in answers)
    assert len(answers) == 1_000
    assert 297 <= let_in <= 303


async def test_a_key_that_was_revoked_opens_no_worker(start_gateway: StartGateway) -> None:
    gateway = await start_gateway({**CONFIG, "access": {"anonymous": "never"}})
    _, key, _ = await typed(gateway.folder, "keys", "create", "laptop")
    _, listed, _ = await typed(gateway.folder, "keys", "list", "--json")
    (known,) = json.loads(listed)["keys"]
    async with asyncio.timeout(20):
        while True:  # until both have read it
            try:
                async with lines(gateway.url, key=key.strip()) as each:
                    await typed(gateway.folder, "keys", "revoke", known["id"])
                    revoked = time.monotonic()
                    for line in each:
                        while line.status != 401:
                            await line.request("server/discover")
                    assert time.monotonic() - revoked < 1.0
                    break
            except AssertionError:
                if "known" not in gateway.errors():
                    raise


async def test_one_metrics_page_tells_of_all_workers(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    async with lines(gateway.url) as each:
        for line in each:
            await line.call(f"{SECOND}__echo", text="hello")
    for _ in range(4):
        async with gateway.session.get(f"{gateway.url}/metrics", headers={"Connection": "close"}) as response:
            page = (await response.text()).splitlines()
        counted = [line for line in page if line.startswith("toolgate_calls_total{") and "echo" in line]
        assert [line.rpartition(" ")[2] for line in counted] == ["2"]
        assert "toolgate_workers 2" in page
        assert f'toolgate_server_state{{server="{SECOND}",state="ready"}} 1' in page
        assert sum(line.startswith("process_start_time_seconds{") for line in page) == 2


async def test_a_reload_reaches_all_workers(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    more = {**CONFIG, "servers": {**CONFIG["servers"], "another": DEMO}}
    (gateway.folder / "toolgate.yaml").write_text(json.dumps(more))
    async with gateway.session.post(f"{gateway.url}/api/v1/reload") as response:
        assert response.status == 200, await response.text()
    await gateway.settled("another")
    async with lines(gateway.url) as each:
        for line in each:
            assert "result" in await line.call("another__echo", text="hello")


async def test_calls_that_pass_from_one_worker_to_the_other_may_end(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    async with lines(gateway.url) as each:
        calls = [
            asyncio.create_task(line.call(f"{server}__countdown", start=3, interval=0.3))
            for line in each
            for server in (FIRST, SECOND)
        ]
        async with asyncio.timeout(10):
            while await _in_flight(gateway) < 2:  # noqa: ASYNC110  # another process, which cannot wake us
                await asyncio.sleep(0.02)
        gateway.signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls, return_exceptions=True)
    begun = [answer for answer in answers if isinstance(answer, dict) and "result" in answer]
    assert len(begun) == 2, answers
    async with asyncio.timeout(20):
        assert await gateway.process.wait() == 0


async def _in_flight(gateway: RunningGateway) -> int:
    async with gateway.session.get(f"{gateway.url}/api/v1/health") as response:
        return sum(server["in_flight"] for server in (await response.json())["servers"])


async def test_a_second_signal_ends_all_workers_at_once(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    children = gateway.children()
    async with lines(gateway.url) as each:
        calls = [asyncio.create_task(line.call(f"{SECOND}__countdown", start=50, interval=1)) for line in each]
        async with asyncio.timeout(10):
            while await _in_flight(gateway) < 2:  # noqa: ASYNC110  # another process, which cannot wake us
                await asyncio.sleep(0.02)
        gateway.signal(signal.SIGINT)
        await line_of(gateway, "stopping")
        gateway.signal(signal.SIGINT)
        async with asyncio.timeout(8):
            assert await gateway.process.wait() == 130
        await asyncio.gather(*calls, return_exceptions=True)
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 5)
    assert not alive


async def test_a_worker_that_was_stopped_alone_comes_back(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    one = owner_of(gateway, 1)
    one.terminate()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [one], 20)
    assert gone
    await gateway.settled()
    async with lines(gateway.url) as each:
        for line in each:
            assert "result" in await line.call(f"{SECOND}__echo", text="hello")


async def test_what_is_wrong_at_the_start_is_said_once(start_gateway: StartGateway, tmp_path: Path) -> None:
    file = tmp_path / "toolgate.yaml"
    file.write_text(json.dumps({**CONFIG, "listen": "0.0.0.0:0"}))
    code, _, errors = await typed(tmp_path, "up", "--config", str(file))
    assert code == 4
    assert errors.count("can be reached from other machines") == 1


async def test_clients_that_come_together_are_spread_over_the_workers(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(CONFIG)
    await gateway.settled()
    port = int(gateway.url.rpartition(":")[2])
    opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(64)))
    async with asyncio.timeout(10):
        while sum(counts := [_connections(worker, port) for worker in workers_of(gateway)]) < 64:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert min(counts) >= 20, counts
    for _, writer in opened:
        writer.close()


def _connections(worker: psutil.Process, port: int) -> int:
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in worker.net_connections())
