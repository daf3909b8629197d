"""Tell whether a definition is still the one that something was learnt about."""

from hashlib import blake2b
from typing import Any

import msgspec

from toolgate.model.server import GraphQl, OpenApi, Server, Stdio

__all__ = ["fingerprint"]


def fingerprint(server: Server, key: bytes = b"") -> str:
    """A digest of everything in a definition that decides what it runs or reaches; not of its timeouts or provenance.

    A person may have pasted a secret into it. `key` (at most 64 bytes, kept where the digests are not) makes guesses
    at it worthless to whoever reads the digests.
    """
    transport = server.transport
    parts: list[Any] = [server.name]
    if isinstance(transport, Stdio):
        parts += [transport.command.text, [arg.text for arg in transport.args], _pairs(transport.env), transport.cwd]
    elif isinstance(transport, OpenApi):
        base = transport.url.text if transport.url is not None else None
        parts += ["openapi", transport.description.text, base, _pairs(transport.headers), _pairs(transport.auth)]
        parts += [transport.include, transport.exclude]
    else:
        parts += [transport.url.text, _pairs(transport.headers)]
        if isinstance(transport, GraphQl):
            parts += ["graphql", transport.schema_file, transport.include, transport.exclude]
    return blake2b(msgspec.json.encode(parts), digest_size=24, key=key, person=b"toolgate.server").hexdigest()


def _pairs(values: Any) -> list[tuple[str, str]]:
    return sorted((name, template.text) for name, template in values.items())
