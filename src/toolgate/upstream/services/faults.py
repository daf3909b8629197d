"""Why a web API could not be reached, in words that print no more of its address than the origin."""

import os
import socket
import ssl
from typing import Final

from toolgate.errors import ServerUnavailable
from toolgate.http.client import BrokenOffError, NotHttpError
from toolgate.http.pool import CONNECT, ConnectTimeoutError
from toolgate.upstream import failures
from toolgate.upstream.endpoint import Unreachable

__all__ = ["FAULTS", "explained"]

FAULTS: Final = (OSError,)


def explained(error: OSError, server: str, origin: str) -> ServerUnavailable:
    """A predicate: it follows the server's name."""
    if isinstance(error, BrokenOffError):
        return failures.ended(server, f"broke the connection to {origin} off before it answered")
    if isinstance(error, NotHttpError):
        return failures.ended(server, f"answered at {origin} what is not HTTP ({error})")
    if isinstance(error, socket.gaierror):
        return Unreachable(f"cannot be reached: the name in {origin} does not resolve", server=server)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "it is not valid"
        return Unreachable(f"has a TLS certificate that is not trusted ({origin}): {reason}", server=server)
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"cannot be reached: no TLS connection to {origin} came about", server=server)
    if isinstance(error, ConnectTimeoutError):
        return Unreachable(f"cannot be reached at {origin}: no connection within {CONNECT:g} s", server=server)
    reason = os.strerror(error.errno).lower() if error.errno else "no connection"
    return Unreachable(f"cannot be reached at {origin}: {reason}", server=server)
