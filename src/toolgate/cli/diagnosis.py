"""What stands between a definition and a server that answers, in steps; the last ones are the gateway's own links."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from toolgate.cli.reachability import Step, reach
from toolgate.errors import SecretMissing, SignInNeeded, ToolgateError
from toolgate.http.pool import Pool
from toolgate.model.profile import ELSEWHERE
from toolgate.model.secretref import Secret, Template
from toolgate.model.server import GraphQl, Http, OpenApi, Server, Stdio
from toolgate.model.tool import Kind
from toolgate.runtime import command
from toolgate.runtime.base import Runtime
from toolgate.runtime.local import local_runtimes
from toolgate.runtime.packages.packages import Packages, Prepare
from toolgate.runtime.packages.run import Runner
from toolgate.secrets.child_environment import child_environment
from toolgate.secrets.resolve import Resolver
from toolgate.upstream import resolved
from toolgate.upstream.base import Link
from toolgate.upstream.launch import StdioLinks
from toolgate.upstream.reach import HttpLinks
from toolgate.upstream.relay import NoNews
from toolgate.upstream.services.reach import ServiceLinks

__all__ = ["diagnose"]

_RESPONSE_BYTES: Final = 32 * 2**20
_START: Final = 60.0  # seconds; the first `npx` of a package downloads it
_ASK: Final = 10.0  # seconds a question
_GRACE: Final = 1.0


async def diagnose(server: Server, resolver: Resolver, state: Path) -> AsyncIterator[Step]:
    """The steps in their order; the last one is the one that failed, if any did."""
    resolve = partial(_resolve, resolver, server.name)
    if isinstance(server.transport, Http):
        steps = _url(server, server.transport, resolve)
    elif isinstance(server.transport, OpenApi | GraphQl):
        steps = _described(server, resolve)
    else:
        steps = _child(server, resolve, state)
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


async def _described(server: Server, resolve: resolved.Resolve) -> AsyncGenerator[Step, None]:
    async with Pool() as connections:
        links = ServiceLinks(connections, resolve, response_bytes=_RESPONSE_BYTES, start_timeout=_ASK)
        try:
            link = await links(server, None, NoNews())
        except SecretMissing:
            raise
        except ToolgateError as error:
            yield Step("description", ok=False, text=error.message, hint=error.hint)
            return
        yield Step("description", ok=True, text="it was read, and the API is there")
        async with _closing(link):
            async for step in _spoken(link):
                yield step


def _auth_hint(transport: Http) -> str:
    if transport.headers:
        return "the headers that it was given were not accepted: look at the key and its expiry"
    return "give it a key: toolgate servers add NAME --url … --header 'Authorization: Bearer ${KEY}'"


async def _child(server: Server, resolve: resolved.Resolve, state: Path) -> AsyncGenerator[Step, None]:
    runtime = local_runtimes(state)
    packages = Packages(state / "packages", Runner(runtime), os.environ)
    try:
        async with aclosing(_started(server, resolve, runtime, packages.prepared)) as steps:
            async for step in steps:
                yield step
    finally:
        await packages.close()
        await runtime.close()


async def _started(
    server: Server, resolve: resolved.Resolve, runtime: Runtime, prepare: Prepare
) -> AsyncGenerator[Step, None]:
    assert isinstance(server.transport, Stdio)  # noqa: S101  # the caller looked
    environment = partial(child_environment, os.environ)
    launch, _ = await resolved.launch(server.transport, resolve, environment, server.profile, server.owner)
    try:
        prepared = (await prepare(server.name, launch)).launch
        path = prepared.command if prepared.profile.runtime in ELSEWHERE else command.found(prepared)[0]
    except ToolgateError as error:
        yield Step("command", ok=False, text=error.message, hint=error.hint)
        return
    if prepared is not launch:
        path += f", installed for {launch.command} in {prepared.profile.mounts[-1].path}"
    yield Step("command", ok=True, text=path)
    links = StdioLinks(
        runtime,
        resolve,
        environment,
        response_bytes=_RESPONSE_BYTES,
        start_timeout=_START,
        prepare=prepare,
    )
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
