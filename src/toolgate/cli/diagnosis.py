"""What stands between a definition and a server that answers, in steps; the last ones are the gateway's own links."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final

import msgspec

from toolgate.cli.reachability import Step, reach
from toolgate.errors import SecretMissing, SignInNeeded, ToolgateError
from toolgate.http.pool import Pool
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import Http, Server, Stdio
from toolgate.model.tool import Kind
from toolgate.runtime import command, process
from toolgate.secrets.child_environment import child_environment
from toolgate.secrets.resolve import Resolver
from toolgate.upstream import resolved
from toolgate.upstream.base import Link
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.reach import HttpLinks
from toolgate.upstream.relay import NoNews

__all__ = ["diagnose"]

_RESPONSE_BYTES: Final = 32 * 2**20
_START: Final = 60.0  # seconds; the first `npx` of a package downloads it
_ASK: Final = 10.0  # seconds a question
_GRACE: Final = 1.0


async def diagnose(server: Server, resolver: Resolver) -> AsyncIterator[Step]:
    """The steps in their order; the last one is the one that failed, if any did."""
    resolve = partial(_resolve, resolver, server.name)
    steps = _url(server, server.transport, resolve) if isinstance(server.transport, Http) else _child(server, resolve)
    try:
        async with aclosing(steps):
            async for step in steps:
                yield step
                if not step.ok:
                    return
    except SecretMissing as error:
        yield Step("secrets", ok=False, text=error.message, hint=error.hint)


async def _resolve(resolver: Resolver, name: str, template: Template) -> Secret:
    return await resolver.resolve(template, name)


async def _url(server: Server, transport: Http, resolve: resolved.Resolve) -> AsyncGenerator[Step, None]:
    async for step in reach((await resolve(transport.url)).reveal()):
        yield step
        if not step.ok:
            return
    async with Pool() as connections:
        links = HttpLinks(connections, resolve, response_bytes=_RESPONSE_BYTES, start_timeout=_ASK)
        try:
            link = await links(server, None, NoNews())
        except SignInNeeded as error:
            yield Step("auth", ok=False, text=error.message, hint=_auth_hint(transport))
            return
        except SecretMissing:
            raise
        except ToolgateError as error:
            yield Step("era", ok=False, text=error.message, hint=error.hint or "check the path of its URL")
            return
        async with _closing(link):
            async for step in _spoken(link):
                yield step
            given = "the credentials in its headers were accepted" if transport.headers else "it asks for none"
            yield Step("auth", ok=True, text=given)


def _auth_hint(transport: Http) -> str:
    if transport.headers:
        return "the headers that it was given were not accepted: look at the key and its expiry"
    return "give it a key: toolgate servers add NAME --url … --header 'Authorization: Bearer ${KEY}'"


async def _child(server: Server, resolve: resolved.Resolve) -> AsyncGenerator[Step, None]:
    assert isinstance(server.transport, Stdio)  # noqa: S101  # the caller looked
    environment = partial(child_environment, os.environ)
    launch, _ = await resolved.launch(server.transport, resolve, environment)
    try:
        path, _ = command.found(launch)
    except ToolgateError as error:
        yield Step("command", ok=False, text=error.message, hint=error.hint)
        return
    yield Step("command", ok=True, text=path)
    links = StdioLinks(process.start, resolve, environment, response_bytes=_RESPONSE_BYTES, start_timeout=_START)
    try:
        link = await links(server, None, NoNews())
    except ToolgateError as error:
        yield Step("start", ok=False, text=error.message, hint=error.hint or "run its command by hand to see why")
        return
    yield Step("start", ok=True, text="it runs and answers")
    async with _closing(link):
        async for step in _spoken(link):
            yield step


@asynccontextmanager
async def _closing(link: Link) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await link.close(_GRACE)


async def _spoken(link: Link) -> AsyncIterator[Step]:
    yield Step("era", ok=True, text=f"{link.era.value}, revision {link.version}")
    head = link.catalogue_head
    name = " ".join(str(head.server_info[key]) for key in ("name", "version") if key in head.server_info)
    offers = ", ".join(head.capabilities) or "nothing"
    try:
        tools = f"; {await _count_tools(link)}" if "tools" in head.capabilities else ""
    except ToolgateError as error:
        yield Step("capabilities", ok=False, text=f"tools/list: {error.message}", hint=error.hint)
        return
    yield Step("capabilities", ok=True, text=f"{name or 'unnamed'} offers {offers}{tools}")


async def _count_tools(link: Link) -> str:
    reply = await link.request(Kind.TOOLS.method, b"{}", _ASK)
    if reply.is_error:
        return f"but tools/list was refused: {reply.payload.decode(errors='replace')[:200]}"
    listed = msgspec.json.decode(reply.payload).get("tools", [])
    return f"{len(listed)} tools on the first page"
