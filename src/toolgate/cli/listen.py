"""The socket that the gateway listens on, and what is wrong where it cannot be had."""

import errno
import socket
from typing import Final

from toolgate.cli.running import Running
from toolgate.errors import ToolgateError

__all__ = ["ListenError", "bind", "url_of"]

_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104  # read, not bound


class ListenError(ToolgateError):
    """The address cannot be listened on."""

    code = "cannot-listen"


def bind(host: str, port: int, running: Running | None) -> socket.socket:
    """A bound socket that does not listen yet. `running` is the gateway that is known to run, for the error."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ListenError(f"{host} is not an address of this machine: {reason}", hint="--host 127.0.0.1") from None
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(address)
        sock.listen()
        sock.setblocking(False)
    except (OSError, OverflowError) as error:
        sock.close()
        raise _explained(error, host, port, running) from error
    return sock


def _explained(error: Exception, host: str, port: int, running: Running | None) -> ListenError:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        if running is not None and running.url.rpartition(":")[2] == str(port):
            return ListenError(
                f"Toolgate is already running at {running.url} (process {running.pid})",
                hint=f"`toolgate status` shows it; `toolgate up --port {port + 1}` starts another",
            )
        return ListenError(f"port {port} is in use by another program", hint=f"`toolgate up --port {port + 1}`")
    if code == errno.EACCES:
        return ListenError(f"port {port} needs more rights than you have", hint="choose one from 1024 on: --port 8765")
    if code == errno.EADDRNOTAVAIL:
        return ListenError(f"{host} is not an address of this machine", hint="--host 127.0.0.1")
    return ListenError(f"cannot listen on {host}:{port}: {error}", hint="--host 127.0.0.1 --port 8765")


def url_of(sock: socket.socket) -> str:
    """Where programs on this machine reach the socket; no path."""
    host, port = sock.getsockname()[:2]
    shown = _ANYWHERE.get(host) or (f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
