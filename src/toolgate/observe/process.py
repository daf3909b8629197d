"""What this process uses, from /proc. Elsewhere than on Linux, only what Python itself knows."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["figures"]

_PROC: Final = Path("/proc/self")
_IMPORTED: Final = time.time()
# Fields of /proc/self/stat after the name in brackets, which may itself hold anything (proc(5)).
_THREADS: Final = 17
_START: Final = 19
_VIRTUAL: Final = 20
_RESIDENT: Final = 21


def figures() -> dict[str, float]:
    """By the names that every Prometheus client uses; a reader for `Metrics.read_all`."""
    used = os.times()
    found: dict[str, float] = {
        "process_cpu_seconds_total": used.user + used.system,
        "process_start_time_seconds": _IMPORTED,
    }
    with suppress(OSError, ValueError, IndexError, StopIteration):
        found["process_open_fds"] = len(os.listdir(_PROC / "fd"))
        found["process_max_fds"] = float(_value(_PROC / "limits", "Max open files").split()[0])
        fields = (_PROC / "stat").read_text().rpartition(")")[2].split()
        found["process_threads"] = int(fields[_THREADS])
        found["process_virtual_memory_bytes"] = int(fields[_VIRTUAL])
        found["process_resident_memory_bytes"] = int(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
        booted = float(_value(Path("/proc/stat"), "btime"))
        found["process_start_time_seconds"] = booted + int(fields[_START]) / os.sysconf("SC_CLK_TCK")
    return found


def _value(file: Path, name: str) -> str:
    """What stands after the name, on its line."""
    return next(line.removeprefix(name) for line in file.read_text().splitlines() if line.startswith(name))
