"""Each attack in a child of its own, which says in a line of JSON whether it came through; an exception is a wall."""

import json
import os
import signal
import sys

from . import amounts, files, kernel, network, processes
from .given import PATIENCE, TMP, mark, world

KNOWN = {name: step for room in (amounts, files, kernel, network, processes) for name, step in vars(room).items()}


def attempted(name: str) -> dict[str, object]:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        try:
            said = (bool(KNOWN[name]()), "")
        except BaseException as error:  # told, whatever it is
            said = (False, repr(error))
        os.write(write, json.dumps(said).encode()[:4096])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    through, detail = json.loads(answer) if answer else (False, "it was killed")
    return {"attack": name, "through": through, "detail": detail}


def escape(name: str) -> None:
    """A process that has left its session, its parent and its streams, and is called by a name that can be found."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    waits = "import signal\nwhile True: signal.pause()"
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", waits, name])  # noqa: S606  # the attack


def plant(variable: str) -> None:
    with open(os.path.join(os.environ.get(variable, TMP), "planted"), "w") as file:
        file.write(mark)


def main() -> None:
    if name := world.get("escaped"):
        escape(name[::-1])
    for variable in world.get("plants", ()):
        plant(variable)
    for attack in world["attacks"]:
        print(json.dumps(attempted(attack)), flush=True)
    print(json.dumps({"done": {"HOME": os.environ["HOME"], "TMPDIR": TMP}}), flush=True)
    sys.stdin.read()
