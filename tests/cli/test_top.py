"""`toolgate top` on a real terminal."""

import asyncio
import json
import os
import pty
import signal
from pathlib import Path

from tests.cli.stub import Asked, stub_gateway
from tests.cli.test_health import REPORT
from tests.running import TOOLGATE, clean_environment

WITHIN = 30.0  # seconds


async def test_on_a_terminal_the_table_is_drawn_anew_until_ctrl_c(tmp_path: Path) -> None:
    looks = 0

    def script(asked: Asked) -> tuple[int, str, bytes]:
        nonlocal looks
        looks += 1
        servers = [REPORT["servers"][0] | {"name": f"look-{looks}"}]
        return 200, "application/json", json.dumps({**REPORT, "servers": servers}).encode()

    ours, theirs = pty.openpty()
    with stub_gateway(script) as (url, _), os.fdopen(ours, "rb", buffering=0) as screen:
        process = await asyncio.create_subprocess_exec(
            TOOLGATE, "top", "--url", url,
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={**clean_environment(tmp_path), "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        async with asyncio.timeout(WITHIN):
            while b"look-2" not in shown:
                shown += await asyncio.to_thread(screen.read, 65536)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    assert b"look-1" in shown
    assert b"calls/s" in shown
