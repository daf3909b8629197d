"""Where an API is and what is sent along with every request: a definition with its secrets in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from yarl import URL

from toolgate.model.secretref import Template
from toolgate.model.server import Http
from toolgate.upstream import resolved
from toolgate.upstream.resolved import Resolve

__all__ = ["Site", "site"]


@dataclass(frozen=True, slots=True)
class Site:
    """`hidden` is what must not be shown."""

    url: URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)


async def site(url: Template, headers: Mapping[str, Template], resolve: Resolve) -> Site:
    """Raises `SecretMissing`, and `StartFailed` where the URL is none."""
    address, _ = await resolved.address(Http(url, headers), resolve)
    written = URL((await resolve(url)).reveal())
    hidden = [
        *_of_headers(address.headers.values()),
        *written.query.values(),
        written.user or "",
        written.password or "",
    ]
    if url.references:
        hidden.extend(step for step in written.parts[1:] if not _stands_in(step, url.text))
    return Site(address.url, address.headers, tuple(hidden))


def _of_headers(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield value
        yield value.partition(" ")[2]


def _stands_in(step: str, text: str) -> bool:
    """Whether a step of a path is what the definition itself says, and no secret."""
    return step in text
