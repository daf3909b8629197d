"""`toolgate stop`, `start`, `restart`, `timeline` and `logs`, as a person types them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.running import TOOLGATE, RunningGateway, clean_environment, running_gateway
from tests.workers.lines import owned_by

DEMO = {"command": sys.executable, "args": ["-m", "toolgate.demo.server"]}


async def typed(gateway: RunningGateway, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        TOOLGATE,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=clean_environment(gateway.folder),
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_what_a_person_stops_stays_stopped_over_a_restart_of_the_gateway(tmp_path: Path) -> None:
    name = owned_by(1)  # not by the worker that answers the API
    config: dict[str, Any] = {"version": 1, "sources": [], "workers": 2, "servers": {name: DEMO}}
    async with running_gateway(config, tmp_path) as gateway:
        await gateway.settled()
        code, said = await typed(gateway, "stop", name)
        assert (code, said) == (0, f"{name}: stopped: `toolgate start {name}` starts it again\n")
        code, said = await typed(gateway, "call", f"{name}__echo", "text=hello")
        assert code == 1
        assert "was stopped by local user" in said
    async with running_gateway(config, tmp_path) as gateway:
        await gateway.settled(name, state="stopped")
        assert (await gateway.status())[name]["tools"] > 0
        code, said = await typed(gateway, "start", name)
        assert (code, said.partition(",")[0]) == (0, f"{name}: ready")
        code, said = await typed(gateway, "call", f"{name}__echo", "text=hello")
        assert (code, said) == (0, "hello\n")
        _, told = await typed(gateway, "timeline", name, "--json")
        asked = [(one["before"], one["state"]) for one in json.loads(told)["timeline"] if one["cause"] == "asked"]
        assert asked[-1] == ("stopped", "starting")
        _, lines = await typed(gateway, "logs", name, "--lines", "2")
        assert lines.splitlines()[-1].endswith("toolgate ready (started by local user)")


async def test_who_follows_a_log_hears_what_comes_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with running_gateway({"version": 1, "sources": [], "servers": {"one": DEMO}}, tmp_path) as gateway:
        await gateway.settled()
        following = await asyncio.create_subprocess_exec(
            *(TOOLGATE, "logs", "one", "--follow"),
            stdout=asyncio.subprocess.PIPE,
            env=clean_environment(gateway.folder),
        )
        assert following.stdout is not None
        async with asyncio.timeout(30):
            await following.stdout.readuntil(b"ready (started by configuration)\n")
            code, said = await typed(gateway, "restart", "two")
            assert (code, "there is no server two" in said) == (1, True)
            await typed(gateway, "stop", "one")
            await following.stdout.readuntil(b"stopped (asked by local user)\n")
            await gateway.stop()
            await following.wait()
