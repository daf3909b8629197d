"""The road of a call: the ordered list of stages stands here and nowhere else."""

from collections.abc import Sequence
from functools import partial, reduce

from toolgate.pipeline.stage import Proceed, Stage
from toolgate.pipeline.stages.authorize import Authorize
from toolgate.pipeline.stages.cache import Cache
from toolgate.pipeline.stages.limit import Limit
from toolgate.pipeline.stages.record import Record
from toolgate.pipeline.stages.validate import validate

__all__ = ["pipeline", "stages"]


def stages(record: Record, authorize: Authorize, limit: Limit, cache: Cache) -> Sequence[Stage]:
    """Outermost first. What a caller may not call uses up none of its calls, and what fits no schema does: whoever
    guesses is slowed down."""
    return record, authorize, limit, validate, cache


def pipeline(end: Proceed, stages: Sequence[Stage]) -> Proceed:
    """The stages in order, and `end` (the way to the server) behind the last."""
    return reduce(lambda proceed, stage: partial(stage, proceed=proceed), reversed(stages), end)
