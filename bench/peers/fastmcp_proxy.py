"""Runs in FastMCP's own environment: `python fastmcp_proxy.py URL PORT [reused]`, a proxy of the server at URL.

As it comes it makes a client for each call; `reused` gives it one that stays connected.
"""

import asyncio
import sys
from importlib import import_module
from typing import Any


async def main(url: str, port: int, *, reused: bool) -> None:
    fastmcp: Any = import_module("fastmcp")
    server: Any = import_module("fastmcp.server")
    proxies: Any = import_module("fastmcp.server.providers.proxy")
    where = {"transport": "http", "host": "127.0.0.1", "port": port, "log_level": "warning"}
    if not reused:
        await server.create_proxy(url).run_http_async(show_banner=False, **where)
        return
    async with fastmcp.Client(url) as client:
        proxy = proxies.FastMCPProxy(client_factory=lambda: client)
        await proxy.run_http_async(show_banner=False, **where)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), reused="reused" in sys.argv))
