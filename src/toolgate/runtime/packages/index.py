"""Look at a project's page on a Python index (PEP 503, PEP 691): where its files are, and whether any is a wheel."""

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from aiohttp import ClientResponse

__all__ = ["Listing", "look", "normal"]

_ACCEPT: Final = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_BYTES: Final = 64 * 2**20
_SECONDS: Final = 20
_LINK: Final = re.compile(r"<a\s[^>]*?href\s*=\s*[\"']([^\"']+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listing:
    """`known` is None where the index gave no answer that says. `hosts` are `host` or `host:port`."""

    known: bool | None = None
    hosts: frozenset[str] = frozenset()
    files: tuple[str, ...] = field(default=(), repr=False)

    @property
    def only_sources(self) -> bool:
        return bool(self.files) and not any(name.endswith(".whl") for name in self.files)


def normal(name: str) -> str:
    """PEP 503, Normalized Names."""
    return re.sub(r"[-_.]+", "-", name).lower()


async def look(index: str, name: str, environment: Mapping[str, str], certificates: str = "") -> Listing:
    """`index` may hold a user name and password. Raises nothing: the installer itself finds out what is wrong, and says
    it better."""
    import aiohttp  # noqa: PLC0415  # much to load for a gateway that installs nothing

    url = f"{index.rstrip('/')}/{normal(name)}/"
    try:
        file = certificates or environment.get("SSL_CERT_FILE")
        context = await asyncio.to_thread(ssl.create_default_context, cafile=file)
        timeout, connector = aiohttp.ClientTimeout(total=_SECONDS), aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=True) as session,
            session.get(url, headers={"Accept": _ACCEPT}) as response,
        ):
            if response.status != 200:
                return Listing(known=False if response.status in {404, 410} else None)
            text = (await _whole(response)).decode(errors="replace")
            return _listing(str(response.url), response.content_type, text)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return Listing()


async def _whole(response: "ClientResponse") -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        if (size := size + len(part)) > _BYTES:
            break
    return b"".join(parts)


def _listing(page: str, content_type: str, text: str) -> Listing:
    if content_type.endswith("+json"):
        files: list[dict[str, Any]] = json.loads(text)["files"]
        links = [str(file["url"]) for file in files]
    else:
        links = [unescape(link) for link in _LINK.findall(text)]
    parts = [urlsplit(urljoin(page, link)) for link in links]
    hosts = frozenset(part.netloc.rpartition("@")[2] for part in parts)
    return Listing(True, hosts, tuple(part.path.rpartition("/")[2] for part in parts))
