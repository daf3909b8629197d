"""From a URL to a TLS connection, one step at a time, so that the step that fails has a name."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Step", "reach"]

_PATIENCE: Final = 5.0  # seconds a step
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a diagnosis. `hint` says what to do where it failed."""

    name: str
    ok: bool
    text: str
    hint: str = ""


async def reach(url: str) -> AsyncIterator[Step]:
    """DNS → TCP → TLS; ends after the first step that fails. Shows no more of the URL than its host and port."""
    try:
        address = urlsplit(url)
        host, port = address.hostname or "", address.port or _PORTS.get(address.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port:
        yield Step("url", ok=False, text="this is not an http:// or https:// URL", hint="e.g. https://example.com/mcp")
        return
    found, addresses = await _resolve(host, port)
    yield found
    if not found.ok:
        return
    connected, chosen = await _connect(host, port, addresses)
    yield connected
    if connected.ok and address.scheme == "https":
        yield await _secure(host, port, chosen)


async def _resolve(host: str, port: int) -> tuple[Step, list[str]]:
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except TimeoutError:
        return Step("dns", ok=False, text=f"no answer for {host}", hint="see that this machine has a network"), []
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a host name"
        return Step("dns", ok=False, text=f"{host} does not resolve: {reason}", hint="check its spelling, or VPN"), []
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if addresses == [host]:
        return Step("dns", ok=True, text=f"{host} is an address already"), addresses
    return Step("dns", ok=True, text=f"{host} is {', '.join(addresses[:4])}"), addresses


async def _connect(host: str, port: int, addresses: list[str]) -> tuple[Step, str]:
    failures: list[str] = []
    for address in addresses[:4]:
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            failures.append(f"{address}: no answer within {_PATIENCE:g} s")
        except OSError as error:
            failures.append(f"{address}: {os.strerror(error.errno) if error.errno else error}")
        else:
            writer.close()
            return Step("tcp", ok=True, text=f"{address} port {port} accepts connections"), address
    hint = f"see that the server runs, listens on port {port}, and that no firewall stands between"
    return Step("tcp", ok=False, text=f"port {port} of {host} cannot be reached ({'; '.join(failures)})", hint=hint), ""


async def _secure(host: str, port: int, address: str) -> Step:
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(
                address, port, ssl=ssl.create_default_context(), server_hostname=host
            )
    except ssl.SSLCertVerificationError as error:
        hint = "renew it, use the name that it is for, or let this machine trust who issued it (SSL_CERT_FILE)"
        return Step("tls", ok=False, text=f"the certificate is not trusted: {error.verify_message}", hint=hint)
    except TimeoutError:
        return Step("tls", ok=False, text="no answer to the TLS handshake", hint="is it http:// instead of https://?")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "the connection was closed"
        hint = "is it http:// instead of https://?"
        return Step("tls", ok=False, text=f"no TLS connection: {str(reason).lower().replace('_', ' ')}", hint=hint)
    version = writer.get_extra_info("ssl_object").version()
    expires = writer.get_extra_info("peercert").get("notAfter", "?")
    writer.close()
    return Step("tls", ok=True, text=f"{version}, the certificate is trusted and good until {expires}")
