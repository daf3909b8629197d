"""An HTTP answer that is not the one hoped for, in words."""

import re
from http import HTTPStatus
from typing import Final

from msgspec import UNSET
from yarl import URL

from toolgate.errors import ServerUnavailable, SignInNeeded, StartFailed
from toolgate.upstream.endpoint import Answer, Endpoint
from toolgate.upstream.era import error_words

__all__ = ["refusal"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}")


def refusal(endpoint: Endpoint, answer: Answer) -> ServerUnavailable:
    """What a person is told. The message is a predicate: it follows the server's name."""
    status = answer.status
    if status in {401, 403}:
        return _sign_in(endpoint, answer)
    if 300 <= status < 400:
        return StartFailed(
            f"redirects from {endpoint.origin} to {_target(endpoint, answer)}; redirects are not followed, since "
            "credentials would travel along",
            hint="if that is where it lives now, configure that URL",
            server=endpoint.server,
        )
    if status < 300:
        return StartFailed(
            f"does not speak MCP at {endpoint.origin}: it answered {answer.media_type}"
            + ("" if status == 200 else f" ({status})"),
            hint="check the path of its URL; it often ends in /mcp",
            server=endpoint.server,
        )
    return StartFailed(f"answered {_status(status)}{_said(endpoint, answer)}", server=endpoint.server)


def _sign_in(endpoint: Endpoint, answer: Answer) -> SignInNeeded:
    scheme = _SCHEME.match(answer.headers.text(b"www-authenticate"))
    asks = f"; it asks for {scheme[0]} credentials" if scheme else ""
    return SignInNeeded(
        f"refuses access at {endpoint.origin}: {_status(answer.status)}{asks}",
        hint=f"give servers.{endpoint.server}.headers a valid credential, for example Authorization",
        server=endpoint.server,
    )


def _target(endpoint: Endpoint, answer: Answer) -> str:
    try:
        return str(URL(endpoint.origin).join(URL(answer.headers.text(b"location"))).origin())
    except ValueError:
        return "somewhere unreadable"


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _said(endpoint: Endpoint, answer: Answer) -> str:
    if answer.message is None or answer.message.error is UNSET:
        return ""
    return f": {endpoint.redact(error_words(bytes(answer.message.error)))}"
