"""A definition with its secrets in: what is started or reached, and how to take the secrets out of what comes back."""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from toolgate.errors import StartFailed
from toolgate.model.profile import Profile
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import Http, Stdio
from toolgate.runtime.base import Launch, Redact
from toolgate.secrets.redact import Redactor

__all__ = ["Address", "Environment", "Resolve", "address", "launch"]

Resolve = Callable[[Template], Awaitable[Secret]]
Environment = Callable[[Mapping[str, str]], Mapping[str, str]]
"""What a definition's own variables become in the whole environment of a child."""


_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Address:
    """`origin` is what may be shown: people put keys into paths, queries and user names."""

    url: URL = field(repr=False)
    origin: str
    headers: Mapping[str, str] = field(repr=False)


async def launch(
    transport: Stdio, resolve: Resolve, environment: Environment, profile: Profile = Profile(), owner: str = ""
) -> tuple[Launch, Redact]:
    """Raises `SecretMissing`."""
    command = (await resolve(transport.command)).reveal()
    args = [(await resolve(arg)).reveal() for arg in transport.args]
    own = {name: (await resolve(value)).reveal() for name, value in transport.env.items()}
    secret_args = [text for text, template in zip(args, transport.args, strict=True) if template.references]
    cwd = (await resolve(Template(transport.cwd))).reveal() if transport.cwd else None
    started = Launch(command, tuple(args), environment(own), cwd, profile, owner)
    return started, Redactor([*own.values(), *secret_args]).text


async def address(transport: Http, resolve: Resolve) -> tuple[Address, Redact]:
    """Raises `SecretMissing`, and `StartFailed` where the URL is none."""
    text = (await resolve(transport.url)).reveal()
    headers = {name: (await resolve(value)).reveal() for name, value in transport.headers.items()}
    try:
        url = URL(text)
        origin = str(url.origin())
    except ValueError:
        raise StartFailed("its url is not a URL", hint="it should read https://host/path") from None
    if url.scheme not in {"http", "https"}:
        raise StartFailed(f"its url begins with {url.scheme}:", hint="it should begin with https:// or http://")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise StartFailed(
                f"its header {name!r} has characters that no header may have", hint="look for a line break at its end"
            )
    hidden = [*headers.values(), *(value.partition(" ")[2] for value in headers.values()), *url.query.values()]
    if url.user is not None:
        login = f"{url.user}:{url.password or ''}"
        hidden.extend((url.user, url.password or ""))
        headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", **headers}
        url = url.with_user(None)
    return Address(url, origin, headers), Redactor(hidden).text
