"""From the definition of a child process to a link that has shaken hands with it."""

import asyncio
from dataclasses import dataclass
from typing import Final

from toolgate.errors import ServerUnavailable, StartFailed
from toolgate.model.server import Server, Stdio
from toolgate.pipeline.call import Reply
from toolgate.protocol.capabilities import NONE
from toolgate.protocol.eras import Era
from toolgate.runtime.base import Launch, Redact, Runtime
from toolgate.runtime.packages.packages import Prepare, unprepared
from toolgate.upstream import resolved
from toolgate.upstream.base import Log, silent
from toolgate.upstream.era import INITIALIZE, Hello, negotiate
from toolgate.upstream.relay import News
from toolgate.upstream.resolved import Environment, Resolve
from toolgate.upstream.stdio import StdioLink

__all__ = ["StdioLinks"]

_GRACE: Final = 0.5  # seconds for a child whose start failed


class StdioLinks:
    """An `upstream.base.Links`. `response_bytes` bounds a line; `start_timeout` is in seconds and holds for the whole
    of a start, with the download that a first `npx` makes. `prepare` installs what package runners name."""

    def __init__(
        self,
        runtime: Runtime,
        resolve: Resolve,
        environment: Environment,
        *,
        response_bytes: int,
        start_timeout: float,
        log: Log = silent,
        prepare: Prepare = unprepared,
    ) -> None:
        self._runtime = runtime
        self._resolve = resolve
        self._environment = environment
        self._response_bytes = response_bytes
        self._start_timeout = start_timeout
        self._log = log
        self._prepare = prepare

    async def __call__(self, server: Server, era: Era | None, news: News, capabilities: bytes = NONE) -> StdioLink:
        if not isinstance(server.transport, Stdio):
            raise TypeError(f"server {server.name!r} is not a child process")
        launch, redact = await resolved.launch(
            server.transport, self._resolve, self._environment, server.profile, server.owner
        )
        deadline = asyncio.get_running_loop().time() + self._start_timeout
        launch, remark = await self._prepared(server.name, launch, redact, deadline)
        try:
            return await self._start(server.name, launch, redact, news, _Terms(era, capabilities, deadline))
        except _Left as left:
            if not left.on_probe:
                raise StartFailed(left.message, hint=remark or left.hint, server=server.name) from None
        # A legacy server may take a request before `initialize` for a reason to leave.
        try:
            terms = _Terms(Era.LEGACY, capabilities, deadline)
            return await self._start(server.name, launch, redact, news, terms)
        except _Left as left:
            raise StartFailed(left.message, hint=remark or left.hint, server=server.name) from None

    async def _prepared(self, name: str, launch: Launch, redact: Redact, deadline: float) -> tuple[Launch, str]:
        try:
            async with asyncio.timeout_at(deadline):
                prepared = await self._prepare(name, launch)
        except TimeoutError:
            raise StartFailed(
                f"its package was not installed within {self._start_timeout:g} s",
                hint="it goes on being installed: the next start finds it, or waits for the rest",
                server=name,
            ) from None
        except StartFailed as error:
            raise StartFailed(redact(error.message), hint=redact(error.hint), server=name) from None
        if prepared.says:
            self._log(name, "toolgate", redact(prepared.says))
        return prepared.launch, prepared.remark

    async def _start(self, name: str, launch: Launch, redact: Redact, news: News, terms: "_Terms") -> StdioLink:
        link = StdioLink(name, self._response_bytes, redact, news, self._log)
        try:
            process = await self._runtime(name, launch, link, limit=self._response_bytes, redact=redact)
        except StartFailed as error:
            raise StartFailed(redact(error.message), hint=redact(error.hint), server=name) from None
        link.attach(process)
        try:
            link.greet(await self._shake_hands(link, terms))
        except BaseException:
            await process.stop(_GRACE)
            raise
        return link

    async def _shake_hands(self, link: StdioLink, terms: "_Terms") -> Hello:
        opened = False

        def ask(method: str, params: bytes) -> asyncio.Future[Reply]:
            nonlocal opened
            opened = opened or method == INITIALIZE
            return link.ask(method, params)

        try:
            async with asyncio.timeout_at(terms.deadline):
                return await negotiate(ask, terms.era, terms.capabilities)
        except TimeoutError:
            words = link.last_words()
            raise StartFailed(
                f"did not answer within {self._start_timeout:g} s of its start{': ' if words else ''}{words}",
                hint="run its command by hand to see what it waits for",
                server=link.server,
            ) from None
        except StartFailed as error:
            raise StartFailed(error.message, hint=error.hint, server=link.server) from None
        except ServerUnavailable:
            reason = (await link.closed()).message
            raise _Left(reason, on_probe=not opened) from None


@dataclass(frozen=True, slots=True)
class _Terms:
    """`era` is the remembered one, or None; `deadline` is a time of the loop's clock."""

    era: Era | None
    capabilities: bytes
    deadline: float


class _Left(StartFailed):
    """It ended during the handshake; `on_probe` when nothing but the probe had been sent."""

    def __init__(self, message: str, *, on_probe: bool) -> None:
        super().__init__(message, hint="run its command by hand to see why")
        self.on_probe = on_probe
