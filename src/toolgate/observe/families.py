"""What is measured: every metric that `/metrics` shows, and how the figures of several workers become one."""

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["BOUNDS", "FAMILIES", "Family", "Kind", "Merge"]


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How one figure is made of those of several workers. `WORKER` keeps them apart, by a label of that name."""

    SUM = "sum"
    MAX = "max"
    WORKER = "worker"


class Family(NamedTuple):
    """`labels` has no `worker`: the merge adds it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.SUM


BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the latency buckets, in seconds; a last bucket holds what took longer."""

_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

_ALL: Final = (
    # Calls, counted as they end
    Family("toolgate_calls_total", _COUNTER, "Calls, by how they ended.",
           ("server", "name", "method", "era", "outcome")),
    Family("toolgate_call_seconds", _HISTOGRAM, "Seconds that calls took, from request to answer.",
           ("server", "method", "era")),
    Family("toolgate_bytes_total", _COUNTER, "Bytes of params passed on and of results passed back.",
           ("server", "direction")),
    Family("toolgate_cache_hits_total", _COUNTER, "Calls that were answered without asking the server.", ("server",)),
    Family("toolgate_refusals_total", _COUNTER, "Calls that a limit refused.", ("limit",)),
    # What is under way
    Family("toolgate_calls_in_flight", _GAUGE, "Calls that servers have not answered yet.", ("server",)),
    Family("toolgate_calls_parked", _GAUGE, "Calls of servers that wait for an answer of the client."),
    Family("toolgate_sessions", _GAUGE, "Sessions of legacy clients."),
    Family("toolgate_streams_open", _GAUGE, "Streams that are open towards clients."),
    Family("toolgate_connections", _GAUGE, "Connections to servers behind URLs, and calls that wait for one.",
           ("state",)),
    # Servers
    Family("toolgate_server_state", _GAUGE, "1 for the state that the server is in, 0 for the others.",
           ("server", "state"), Merge.MAX),
    Family("toolgate_breaker", _GAUGE, "1 for the state that the breaker of the server is in, 0 for the others.",
           ("server", "state"), Merge.MAX),
    Family("toolgate_server_links", _GAUGE, "Live links to the server.", ("server",)),
    Family("toolgate_server_retry_seconds", _GAUGE, "Seconds until a server that is down is tried again.",
           ("server",), Merge.MAX),
    Family("toolgate_server_check_failures", _GAUGE, "Health checks of the server that failed in a row.",
           ("server",), Merge.MAX),
    # Recording
    Family("toolgate_queue_depth", _GAUGE, "What waits to be written or sent.", ("queue",)),
    Family("toolgate_audit_waits_total", _COUNTER, "Calls that waited for room in the audit ring."),
    Family("toolgate_spans_exported_total", _COUNTER, "Spans that the collector took."),
    Family("toolgate_spans_dropped_total", _COUNTER, "Spans that were given up, and why.", ("reason",)),
    # The gateway itself
    Family("toolgate_build_info", _GAUGE, "1, with the versions of what runs.", ("version", "python"), Merge.MAX),
    Family("toolgate_workers", _GAUGE, "Workers that these figures are of."),
    Family("toolgate_loop_lag_seconds", _GAUGE, "How late the event loop was in the last 15 seconds.", ("stat",),
           Merge.WORKER),
    Family("process_cpu_seconds_total", _COUNTER, "Seconds of CPU used, in user and kernel mode.", (), Merge.WORKER),
    Family("process_resident_memory_bytes", _GAUGE, "Resident memory.", (), Merge.WORKER),
    Family("process_virtual_memory_bytes", _GAUGE, "Virtual memory.", (), Merge.WORKER),
    Family("process_open_fds", _GAUGE, "Open file descriptors.", (), Merge.WORKER),
    Family("process_max_fds", _GAUGE, "Most file descriptors that may be open.", (), Merge.WORKER),
    Family("process_threads", _GAUGE, "Threads.", (), Merge.WORKER),
    Family("process_start_time_seconds", _GAUGE, "When the process started, in seconds since the epoch.", (),
           Merge.WORKER),
)  # fmt: skip

FAMILIES: Final = {family.name: family for family in _ALL}
