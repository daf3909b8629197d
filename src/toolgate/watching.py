"""Everything that looks on while the gateway serves: metrics, traces, records, the states of servers, their health."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

from toolgate.catalog.build import server_endpoint
from toolgate.catalog.refresh import Catalog
from toolgate.config.model import Document
from toolgate.control.gauges import server_gauges
from toolgate.control.health import HealthReport
from toolgate.model.secretref import Secret, Template
from toolgate.model.tool import Kind
from toolgate.observe.export import Exporter
from toolgate.observe.exposition import media_type, paced
from toolgate.observe.health import Checked
from toolgate.observe.lag import LoopLag
from toolgate.observe.metrics import Metrics, Reading
from toolgate.observe.process import figures
from toolgate.observe.slo import Objectives, Windows
from toolgate.observe.tracing import Tracer
from toolgate.recording.recorder import Recorder, Sink
from toolgate.store.database import Database
from toolgate.store.transitions import Transitions
from toolgate.upstream.base import State, Status
from toolgate.upstream.health import Checks
from toolgate.upstream.pool import Pool
from toolgate.workers.crew import Crew

__all__ = ["Watching"]

Resolve = Callable[[Template], Awaitable[Secret]]


class Watching:
    """`open` before the servers start, `watch` once there is a pool."""

    def __init__(
        self, metrics: Metrics, recorder: Recorder, transitions: Transitions, tracer: Tracer, crew: Crew | None
    ) -> None:
        self._crew = crew
        self._leads = crew is None or crew.seat.leads  # one of several workers sees to all servers
        self.metrics = metrics
        self.recorder = recorder
        self.tracer = tracer
        self.transitions = transitions
        self._checked = Checked(time.time)

    @classmethod
    async def open(
        cls,
        document: Document,
        database: Database,
        catalog: Catalog,
        resolve: Resolve,
        stack: AsyncExitStack,
        crew: Crew | None = None,
        sinks: Sequence[Sink] = (),
    ) -> Self:
        """`crew` are the other workers, where there are any; `sinks` take the record of each call, too. What has to be
        closed is pushed on `stack`, which closes it before the database."""
        metrics = Metrics(partial(_listed, catalog), str(crew.seat.number if crew is not None else 0))
        transitions = await Transitions.open(database)
        stack.push_async_callback(transitions.close)
        kept = document.record
        recorder = Recorder.open(
            database,
            sinks=[metrics.record, *sinks],
            audit_days=kept.audit_days,
            audit_rows=kept.audit_rows,
            usage_days=kept.usage_days,
        )
        stack.push_async_callback(recorder.close)
        depths: dict[str, Callable[[], int]] = {
            "audit": lambda: recorder.waiting,
            "transitions": lambda: len(transitions),
        }
        exporter = _exporter(document, resolve)
        if exporter is not None:
            stack.push_async_callback(exporter.close)
            metrics.read_all(exporter.read)
            depths["spans"] = lambda: exporter.depth
        metrics.read("toolgate_queue_depth", lambda: [((name,), float(read())) for name, read in depths.items()])
        tracer = Tracer(exporter.offer if exporter else None, document.tracing.ratio)
        return cls(metrics, recorder, transitions, tracer, crew)

    def watch(
        self, pool: Pool, document: Document, gauges: Mapping[str, Callable[[], Reading]], stack: AsyncExitStack
    ) -> HealthReport:
        """From now on. `gauges` are read when somebody looks."""
        metrics = self.metrics
        lag = LoopLag()
        lag.start()
        stack.callback(lag.close)
        checked = self._checked
        checks = Checks(partial(_ready, pool), pool.check, checked.note, document.health.interval)
        if self._leads:
            checks.start()
        stack.push_async_callback(checks.close)
        wanted = document.health
        crew = self._crew
        totals = metrics.totals if crew is None else crew.totals
        windows = Windows(totals, Objectives(wanted.availability, wanted.latency, wanted.fast))
        windows.start()
        stack.callback(windows.close)
        for name, read in {
            **gauges,
            "toolgate_loop_lag_seconds": lag.read,
            "toolgate_server_check_failures": checked.failures,
            "toolgate_server_links": pool.links,
            "toolgate_calls_in_flight": pool.in_flight,
            "toolgate_connections": pool.connections,
            "toolgate_audit_waits_total": lambda: self.recorder.waits,
        }.items():
            metrics.read(name, read)
        metrics.read_all(figures)
        if self._leads:
            metrics.read_all(server_gauges(pool.statuses))
        statuses, under_way = (pool.statuses, pool.under_way) if crew is None else (crew.statuses, crew.under_way)
        return HealthReport(statuses, self.transitions.of, windows, checked, under_way)

    def state(self, status: Status) -> None:
        """A server's state changed."""
        if self._leads:
            self.transitions.note(
                status.server.name, status.state.value, status.since, status.reason, status.cause.value, status.actor
            )

    def keep(self, names: Iterable[str]) -> None:
        """These are the servers now."""
        self._checked.keep(names)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The body of `/metrics`, and its media type."""
        form = media_type(accept)
        others = await self._crew.snapshots() if self._crew is not None else []
        return await paced([self.metrics.snapshot(), *others], form), form


def _listed(catalog: Catalog, server: str, method: str, name: str) -> bool:
    view = catalog.current.views.get(server_endpoint(server))
    kind = Kind.TOOLS if method == "tools/call" else Kind.PROMPTS
    return view is not None and view.of(kind).route(name) is not None


def _ready(pool: Pool) -> list[str]:
    return [status.server.name for status in pool.statuses() if status.state is State.READY]


def _exporter(document: Document, resolve: Resolve) -> Exporter | None:
    tracing = document.tracing
    if tracing.endpoint is None:
        return None

    async def headers() -> dict[str, str]:
        return {name: (await resolve(value)).reveal() for name, value in tracing.headers.items()}

    return Exporter(tracing.endpoint, headers)
