"""Run a command of the tests as a user that nobody is, on a machine where their Python may stand in root's home."""

import os
import shlex
import sys
from pathlib import Path

from tests.parts.where import ROOT

__all__ = ["UID", "unprivileged"]

UID = 61_007


def unprivileged(*command: str) -> list[str]:
    """For root: in a mount namespace of its own, folders that only root can pass hold what the tests need, and nothing
    else. HOME and TMPDIR are empty."""
    steps = ["mount -t tmpfs -o mode=0755 none /mnt"]
    needed = sorted({path for path in (sys.base_prefix, sys.prefix, str(ROOT)) if _barred(path)})
    for number, path in enumerate(needed):
        steps += [f"mkdir /mnt/{number}", f"mount --bind {shlex.quote(path)} /mnt/{number}"]
    bars = sorted({_barred(path) for path in needed})
    steps += [f"mount -t tmpfs -o mode=0755 none {shlex.quote(bar)}" for bar in bars]
    for number, path in enumerate(needed):
        steps += [f"mkdir -p {shlex.quote(path)}", f"mount --move /mnt/{number} {shlex.quote(path)}"]
    steps += ["mkdir -m 1777 /mnt/tmp", f"install -d -m 0700 -o {UID} -g {UID} /mnt/home"]
    drop = f"setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all --bounding-set=-all"
    steps.append(f'exec {drop} env HOME=/mnt/home TMPDIR=/mnt/tmp "$@"')
    return ["unshare", "--mount", "sh", "-c", " && ".join(steps), "sh", *command]


def _barred(path: str) -> str:
    """The first folder on the way that only its owner can pass; empty where there is none."""
    folders = [*reversed(Path(path).parents), Path(path)]
    return next((str(folder) for folder in folders if not os.stat(folder).st_mode & 0o001), "")
