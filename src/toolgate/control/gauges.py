"""What servers are like at this moment, as metrics."""

import time
from collections.abc import Callable, Iterable, Mapping

from toolgate.observe.metrics import Reading
from toolgate.upstream.base import State, Status
from toolgate.upstream.breaker import Circuit

__all__ = ["server_gauges"]


def server_gauges(
    statuses: Callable[[], Iterable[Status]], clock: Callable[[], float] = time.time
) -> Callable[[], Mapping[str, Reading]]:
    """A reader for `Metrics.read_all`. `clock` tells seconds since the epoch."""

    def read() -> Mapping[str, Reading]:
        known = tuple(statuses())
        return {
            "toolgate_server_state": [
                ((status.server.name, state.value), float(status.state is state)) for status in known for state in State
            ],
            "toolgate_breaker": [
                ((status.server.name, circuit.value), float(status.circuit is circuit))
                for status in known
                for circuit in Circuit
            ],
            "toolgate_server_retry_seconds": [
                ((status.server.name,), max(0.0, status.retry_at - clock()))
                for status in known
                if status.retry_at is not None
            ],
        }

    return read
