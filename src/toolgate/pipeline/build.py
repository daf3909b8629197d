"""The road of a call: the ordered list of stages stands here and nowhere else."""

from collections.abc import Sequence
from functools import partial, reduce
from typing import Final

from toolgate.pipeline.stage import Proceed, Stage
from toolgate.pipeline.stages.record import record

__all__ = ["STAGES", "pipeline"]

STAGES: Final[Sequence[Stage]] = (record,)


def pipeline(end: Proceed, stages: Sequence[Stage] = STAGES) -> Proceed:
    """The stages in order, and `end` (the way to the server) behind the last."""
    return reduce(lambda proceed, stage: partial(stage, proceed=proceed), reversed(stages), end)
