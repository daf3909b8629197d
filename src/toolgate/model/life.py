"""The words for what becomes of a server: its state, why it came to it, and who asked."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from toolgate.model.principal import LOCAL, Principal

__all__ = ["PHASES", "Cause", "Phase", "State", "Wish", "actor"]


class State(StrEnum):
    """Of a server, for people."""

    STARTING = "starting"
    READY = "ready"
    IDLE = "idle"
    """Well, and not running: nobody needs it now. The next call starts it."""
    FAILING = "failing"
    """Down; tried again with back-off."""
    STOPPED = "stopped"
    """By a person, or because the configuration has it no longer."""


class Phase(StrEnum):
    """Of a connection, for programs."""

    PENDING = "pending"
    DEPLOYING = "deploying"
    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"


PHASES: Final[Mapping[State, Phase]] = {
    State.STARTING: Phase.DEPLOYING,
    State.READY: Phase.RUNNING,
    State.IDLE: Phase.STOPPED,
    State.FAILING: Phase.ERROR,
    State.STOPPED: Phase.STOPPED,
}
"""`pending` is a connection whose server nobody has tried to start yet."""


class Cause(StrEnum):
    """Why a server came into its state."""

    BEGAN = "began"
    CALLED = "called"
    """A call needed it."""
    STARTED = "started"
    RECOVERED = "recovered"
    """It is ready after it was failing."""
    LOST = "lost"
    """It ended, and is started again."""
    FAILED = "failed"
    IDLE = "idle"
    """Nobody had called it for long, or nobody has called it yet."""
    ROOM = "room"
    """Another server needed its place."""
    ASKED = "asked"
    """By a person."""
    STOPPED = "stopped"
    """Its definition has changed or is gone, or the gateway has ended."""


class Wish(StrEnum):
    """What a person wants of a server."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


def actor(principal: Principal) -> str:
    """Who asked, as a timeline tells it."""
    return "local user" if principal.id == LOCAL.id else f"key {principal.name}"
