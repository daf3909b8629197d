"""Few processors for a server, where no control group can share them out."""

import math
import os
import random
import sys
from collections.abc import Callable

__all__ = ["few_processors"]


def few_processors(cpus: float) -> Callable[[], None] | None:
    """What a child runs before it becomes the server; None where it may have all anyway. Less than one processor cannot
    be had this way."""
    if sys.platform != "linux":
        return None
    here = sorted(os.sched_getaffinity(0))
    wanted = max(1, math.ceil(cpus))
    if wanted >= len(here):
        return None
    chosen = random.sample(here, wanted)  # servers spread over all of them

    def bind() -> None:
        os.sched_setaffinity(0, chosen)

    return bind
