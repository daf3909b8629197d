"""The process that starts the workers, and starts them again; it serves nothing itself."""

import gc
import logging
import math
import os
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from toolgate.errors import ConfigError
from toolgate.inbound.elsewhere import Place
from toolgate.workers.buckets import SharedBuckets
from toolgate.workers.doors import Doors
from toolgate.workers.loads import Loads
from toolgate.workers.seat import DRAINED, READY, Seat, Work

__all__ = ["Parent"]

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HEARD: Final = (*_PASSED_ON, signal.SIGCHLD)
_ENDS: Final = frozenset({signal.SIGINT, signal.SIGTERM})
_STEADY: Final = 10.0  # seconds after which a worker has proved itself
_FIRST: Final = 0.05  # seconds before one that has ended is started again, and twice as long each further time
_LONGEST: Final = 10.0
_AT_ONCE: Final = 3  # signals to stop after which nothing is waited for

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Worker:
    """`lifeline` is closed when it should end; `report` is what it tells."""

    pid: int
    lifeline: int
    report: int
    began: float
    drained: bool = False


class Parent:
    """`ended` is called when the last worker has ended, with the id of this process."""

    def __init__(self, count: int, state: Path, ended: Callable[[int], None]) -> None:
        """Raises `ConfigError` where there can be no workers, `StoreError` where there is no place for their
        sockets."""
        if not hasattr(os, "fork"):
            reason = "this system has no fork(), which more than one worker needs"
            raise ConfigError(reason, file="workers", hint="start with --workers 1")
        self._count = count
        self._state = state
        self._token = secrets.token_urlsafe(32)
        self._password = secrets.token_urlsafe(32)
        self._ended = ended
        self._pid = os.getpid()
        self._workers: dict[int, _Worker] = {}
        self._due = dict.fromkeys(range(count), 0.0)
        self._delays = dict.fromkeys(range(count), _FIRST)
        self._seated: set[int] = set()
        self._were_ready: set[int] = set()
        self._stops = 0
        self._code = 0

    def run(self, work: Work) -> int:
        """Fork the workers and see to them until all have ended. Returns in each worker too, with what `work` returns.
        No event loop and no thread may run before."""
        doors = Doors.open(self._count, self._state)
        self._buckets = SharedBuckets()
        self._loads = Loads(self._count)
        self._ears, self._mouth = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        before = self._listen()
        gc.collect()
        gc.freeze()  # what is there now stays shared: a collection in a worker would write to each page of it
        try:
            while True:
                seat = self._fork_due(doors)
                if seat is not None:
                    return work(seat)
                if not self._workers and self._stops:
                    return self._code
                self._wait()
        finally:
            if os.getpid() == self._pid:
                self._quiet(before)
                doors.remove()
                self._ended(self._pid)

    # Signals

    def _listen(self) -> dict[int, object]:
        for end in (self._ears, self._mouth):
            end.setblocking(False)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._ears, selectors.EVENT_READ)
        return {number: signal.signal(number, _noted) for number in _HEARD}

    def _quiet(self, before: dict[int, object]) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal.signal` answered
        self._selector.close()
        self._ears.close()
        self._mouth.close()

    def _wait(self) -> None:
        due = [self._due[number] for number in self._due if number not in self._workers] if not self._stops else []
        soonest = min(due, default=math.inf)
        timeout = max(0.0, soonest - time.monotonic()) if soonest < math.inf else None
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._ears:
                for number in self._ears.recv(4096):
                    self._signalled(signal.Signals(number))
            elif isinstance(key.data, int):
                self._told(key.data)

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            for worker in tuple(self._workers):
                self._reap(worker)
            return
        if number in _ENDS:
            self._stops += 1
        if self._stops > _AT_ONCE:
            self._code, number = 128 + signal.SIGINT, signal.SIGKILL
        for running in self._workers.values():
            os.kill(running.pid, number)

    # Workers

    def _fork_due(self, doors: Doors) -> Seat | None:
        """The seat, in a worker that was forked."""
        now = time.monotonic()
        for number, due in self._due.items():
            if number in self._workers or self._stops or due > now:
                continue
            doors.mend(number)
            lifeline, life = os.pipe()
            report, mouth = os.pipe()
            signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
            pid = os.fork()
            if pid == 0:
                self._become_worker(number, doors)
                os.close(life)
                os.close(report)
                place, again = Place(number, self._count), number in self._seated
                shared = doors, self._buckets, self._loads
                return Seat(place, self._pid, again, self._token, self._password, *shared, lifeline, mouth)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            os.close(lifeline)
            os.close(mouth)
            self._workers[number] = _Worker(pid, life, report, now)
            self._seated.add(number)
            self._selector.register(report, selectors.EVENT_READ, number)
        return None

    def _become_worker(self, number: int, doors: Doors) -> None:
        signal.set_wakeup_fd(-1)
        for heard in _HEARD:
            signal.signal(heard, signal.SIG_DFL)
        os.setpgid(0, 0)  # Ctrl-C goes to the parent, which passes it on once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        self._selector.close()
        self._ears.close()
        self._mouth.close()
        doors.keep(number)
        for other in self._workers.values():
            os.close(other.lifeline)
            os.close(other.report)

    def _told(self, number: int) -> None:
        worker = self._workers.get(number)
        news = os.read(worker.report, 64) if worker is not None else b""
        if worker is None or not news:
            return
        if READY in news:
            self._were_ready.add(number)
            self._due = {each: 0.0 if due == math.inf else due for each, due in self._due.items()}
        if DRAINED in news:
            worker.drained = True
            self._let_end()

    def _let_end(self) -> None:
        """Those that have drained may end: when all have, since one may run what another still has calls for. One that
        was stopped alone need not wait."""
        if not self._stops or all(worker.drained for worker in self._workers.values()):
            for worker in self._workers.values():
                if worker.drained and worker.lifeline >= 0:
                    os.close(worker.lifeline)
                    worker.lifeline = -1

    def _reap(self, number: int) -> None:
        worker = self._workers[number]
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if pid == 0:
            return
        self._told(number)
        self._selector.unregister(worker.report)
        os.close(worker.report)
        if worker.lifeline >= 0:
            os.close(worker.lifeline)
        del self._workers[number]
        self._buckets.repair()
        self._loads.ended(number)
        code = os.waitstatus_to_exitcode(status)
        if self._stops:
            self._code = max(self._code, code) if code != -signal.SIGTERM else self._code
            self._let_end()
        elif number == 0 and 0 not in self._were_ready and code >= 0:
            self._give_up(code)  # it has said why
        elif 0 not in self._were_ready:
            self._due[number] = math.inf  # the first one will say why, or be ready: then this one is tried again
        else:
            self._restart(number, worker, code)

    def _give_up(self, code: int) -> None:
        self._stops = 1
        self._code = max(self._code, code or 1)
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGTERM)

    def _restart(self, number: int, worker: _Worker, code: int) -> None:
        now = time.monotonic()
        delay = _FIRST if now - worker.began > _STEADY else self._delays[number]
        self._delays[number] = min(2 * delay, _LONGEST)
        self._due[number] = now + delay
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        _log.error("worker %d %s; it is started again in %g s", number, how, delay)


def _noted(number: int, frame: FrameType | None) -> None:
    """The number goes to the socket that the parent waits at."""
