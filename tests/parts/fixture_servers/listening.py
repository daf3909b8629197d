"""Serve an ASGI application on a port of the system's choosing, and say on standard output where that is."""

import socket
from typing import Any

import uvicorn

__all__ = ["serve"]


def serve(app: Any) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)  # who started us reads it
    uvicorn.Server(config).run(sockets=[listening])
