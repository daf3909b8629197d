"""A pool with an audience, calls to send through it, and the proof that nothing is left over afterwards."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import pytest
from msgspec import Raw

from toolgate.catalog.remembered import Remembered
from toolgate.catalog.snapshot import Route, Snapshot
from toolgate.config.model import Life
from toolgate.errors import CannotAsk, SecretMissing
from toolgate.model.principal import LOCAL, Principal
from toolgate.model.secretref import Reference, Secret, Template
from toolgate.model.server import Http, Provenance, Server, Stdio
from toolgate.model.tool import Catalogue, Kind
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.eras import Era
from toolgate.store.halts import Halts
from toolgate.upstream.base import State, Status
from toolgate.upstream.pool import Pool
from toolgate.upstream.shared import SharedUpstream

STUB: Final = Path(__file__).parent / "servers" / "stub.py"
SECRETS: Final = {"TOKEN": "hunter2-secret"}


class Audience:
    """Implements `Events`: keeps everything, and lets a test wait for what it hopes for."""

    def __init__(self) -> None:
        self.catalogues: list[tuple[str, Catalogue]] = []
        self.states: list[Status] = []
        self._news = asyncio.Event()

    def catalogue(self, server: str, catalogue: Catalogue) -> None:
        self.catalogues.append((server, catalogue))
        self._news.set()

    def updated(self, server: str) -> None: ...

    def state(self, status: Status) -> None:
        self.states.append(status)
        self._news.set()

    async def until(self, hoped: Callable[[], bool], timeout: float = 20) -> None:
        async with asyncio.timeout(timeout):
            while not hoped():
                self._news.clear()
                await self._news.wait()

    async def until_state(self, server: str, state: State) -> Status:
        def now() -> list[Status]:
            return [status for status in self.states if status.server.name == server][-1:]

        await self.until(lambda: bool(now()) and now()[0].state is state)
        return now()[0]

    def tools(self, server: str) -> list[str]:
        """As last announced."""
        known = [catalogue for name, catalogue in self.catalogues if name == server]
        return [item.name for item in known[-1].of(Kind.TOOLS)] if known else []


class Notes:
    """Implements `Memory`."""

    def __init__(self) -> None:
        self.known: dict[str, Remembered] = {}

    def recall(self, fingerprint: str) -> Remembered | None:
        return self.known.get(fingerprint)

    def remember(self, fingerprint: str, remembered: Remembered) -> None:
        self.known[fingerprint] = remembered


class Inbox:
    """Implements `Channel`; `room` is how many messages it takes, `answers` what it answers when it is asked."""

    def __init__(self, room: int = 1000, answers: Mapping[str, Any] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.answers = dict(answers or {})
        self.withdrawn = asyncio.Event()
        self._room = room
        self._news = asyncio.Event()

    def send(self, message: bytes) -> bool:
        if len(self.messages) >= self._room:
            return False
        self.messages.append(msgspec.json.decode(message))
        self._news.set()
        return True

    async def ask(self, method: str, params: bytes | None) -> Reply:
        """An answer of None never comes."""
        self.asked.append((method, msgspec.json.decode(params) if params else None))
        self._news.set()
        if method not in self.answers:
            raise CannotAsk(f"cannot be asked for {method}")
        answer = self.answers[method]
        if answer is None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self.withdrawn.set()
        return Reply(msgspec.json.encode(answer), is_error="code" in answer)

    async def first(self) -> dict[str, Any]:
        await self._until(lambda: bool(self.messages))
        return self.messages[0]

    async def until_asked(self) -> None:
        await self._until(lambda: bool(self.asked))

    async def _until(self, hoped: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not hoped():
                self._news.clear()
                await self._news.wait()


class House:
    """A pool, its audience and its memory."""

    def __init__(self, *, response_bytes: int = 1 << 20, start_timeout: float = 20, life: Life | None = None) -> None:
        self.audience = Audience()
        self.notes = Notes()
        self.halts = Halts()
        self.lines: list[tuple[str, str, str]] = []
        self.pool = Pool(
            look_up,
            self.notes,
            self.audience,
            response_bytes=response_bytes,
            start_timeout=start_timeout,
            environment=lambda own: {"PATH": os.environ["PATH"], **own},
            life=life,
            halts=self.halts,
            log=lambda *line: self.lines.append(line),
        )

    async def serve(self, *servers: Server) -> None:
        await self.pool.apply(servers)
        await self.pool.settled(30)

    def of(self, name: str) -> SharedUpstream:
        upstream = self.pool.get(name)
        assert isinstance(upstream, SharedUpstream)
        return upstream

    def status(self, name: str) -> Status:
        return self.of(name).status

    async def call(self, server: str, tool: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """The decoded result of a call that must not be an error."""
        reply = await self.of(server).send(make_call(server, tool, arguments, **more))
        assert not reply.is_error, reply.payload
        return msgspec.json.decode(reply.payload)


async def look_up(template: Template) -> Secret:
    def find(reference: Reference) -> str:
        if (text := SECRETS.get(reference.name, reference.default)) is None:
            raise SecretMissing(f"no secret is named {reference.name}", hint=f"set {reference.name}")
        return text

    return template.resolve(find)


def make_call(
    server: str,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    method: str = "tools/call",
    params: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    era: Era = Era.LEGACY,
    timeout: float = 20,
    channel: Inbox | None = None,
    principal: Principal = LOCAL,
    log_level: str | None = None,
    capabilities: bytes = b"{}",
    raw: bytes = b"",
) -> Call:
    whole: dict[str, Any] = dict(params or {"name": f"{server}__{tool}", "arguments": arguments or {}})
    if meta is not None:
        whole["_meta"] = meta
    return Call(
        id="1",
        principal=principal,
        method=method,
        params=_fields(whole),
        meta=_fields(meta or {}),
        era=era,
        version="2026-07-28" if era is Era.MODERN else "2025-11-25",
        route=Route(server, tool, raw),
        snapshot=Snapshot(0, {}),
        channel=channel or Inbox(),
        timeout=timeout,
        log_level=log_level,
        capabilities=capabilities,
    )


def _fields(members: Mapping[str, Any]) -> dict[str, Raw]:
    return {key: Raw(msgspec.json.encode(value)) for key, value in members.items()}


def stub(name: str = "stub", mode: str = "legacy", env: Mapping[str, str] | None = None) -> Server:
    return child(name, sys.executable, [str(STUB), mode], env)


def child(name: str, command: str, args: Iterable[str] = (), env: Mapping[str, str] | None = None) -> Server:
    given = {key: Template(text) for key, text in (env or {}).items()}
    return Server(name, Stdio(Template(command), tuple(map(Template, args)), given), Provenance("test"))


def remote(name: str, url: str, headers: Mapping[str, str] | None = None) -> Server:
    return Server(
        name, Http(Template(url), {key: Template(text) for key, text in (headers or {}).items()}), Provenance("test")
    )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Everything is closed at the end, and nothing is left."""
    async with clean(House()) as opened:
        yield opened


def _of_test_server(task: "asyncio.Task[Any]") -> bool:
    return getattr(task.get_coro(), "__qualname__", "").startswith("RequestHandler.")


class clean:  # noqa: N801  # reads as a verb: async with clean(House(…))
    """Closes a house and proves that no process, task or descriptor outlives it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tasks = asyncio.all_tasks()
        self._children = set(psutil.Process().children(recursive=True))
        self._descriptors = psutil.Process().num_fds()

    async def __aenter__(self) -> House:
        return self._house

    async def __aexit__(self, *_: object) -> None:
        await self._house.pool.close(1)
        assert not set(psutil.Process().children(recursive=True)) - self._children
        left = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        assert not [task for task in left if not _of_test_server(task)]
        async with asyncio.timeout(5):
            # The loop closes transports in its next rounds, and tells nobody.
            while psutil.Process().num_fds() > self._descriptors:  # noqa: ASYNC110
                await asyncio.sleep(0)
