"""A child process over any command line: what every runtime on this machine ends in."""

import asyncio
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from toolgate.errors import StartFailed
from toolgate.runtime.base import Output, Redact
from toolgate.runtime.child import Process
from toolgate.runtime.parent_death import die_with_parent

__all__ = ["Spawn", "spawn"]


@dataclass(frozen=True, slots=True)
class Spawn:
    """`preexec` runs in the forked child before that is bound to the life of its parent, since a
    change of uid would loosen that bond. `pass_fds` keep their numbers;
    they stay open here, too: whoever made them closes them. `ended` is called once the process is gone."""

    argv: Sequence[str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    cwd: str | None = None
    pass_fds: tuple[int, ...] = ()
    preexec: Callable[[], None] | None = None
    command: str = ""
    """As the definition has it, for errors; the first of `argv` where it is empty."""
    ended: Callable[[], None] | None = None
    around: bool = False
    """Whether the first of `argv` is not the server but what is around it: it tells that the server was killed by a
    code, 128 and the signal, as shells do, and nothing that the server started outlives it."""


async def spawn(name: str, child: Spawn, output: Output, *, limit: int, redact: Redact) -> Process:
    """The child leads a session of its own, so that it and all that it starts can be signalled together. `limit` is
    in bytes a line. Raises `StartFailed`."""
    command = child.command or child.argv[0]
    try:
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: Process(name, output, limit, redact, child.ended, around=child.around),
            *child.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(child.environment),
            cwd=child.cwd,
            start_new_session=True,
            pass_fds=child.pass_fds,
            preexec_fn=_in_turn(child.preexec, die_with_parent()),
        )
    except OSError as error:
        raise StartFailed(f"{command} could not be started: {error.strerror}") from None
    except subprocess.SubprocessError as error:  # of what runs between fork and exec
        raise StartFailed(f"{command} could not be started: {error.__cause__ or error}") from None
    except ValueError:
        raise StartFailed("its command, arguments or environment hold a NUL character") from None
    return process


def _in_turn(first: Callable[[], None] | None, second: Callable[[], None] | None) -> Callable[[], None] | None:
    if first is None or second is None:
        return first or second

    def both() -> None:
        first()
        second()

    return both
