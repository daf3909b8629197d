"""Which calls are traced, decided before anything is made for it; the context of the others is only passed on."""

import os
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import msgspec
from msgspec import Raw

from toolgate.observe.spans import Span, Trace
from toolgate.observe.traceparent import STATE, TRACEPARENT, Parent, from_meta, is_quiet, parse, state
from toolgate.protocol.envelope import NOTHING, Fields

__all__ = ["UNTRACED", "Context", "Quiet", "Tracer", "inject"]

_BATCH: Final = 64
_RANDOM: Final = slice(21, 35)  # the last seven bytes of the trace id, which are random (Trace Context, section 2.3)
_DIGITS: Final = 14
_SAMPLED: Final = "01"


class Quiet(msgspec.Struct, frozen=True, gc=False):
    """The context of a call that is not sampled. `in_meta`: the request's own `_meta` says all this already, or has no
    need to, since nobody but us knows of this trace."""

    traceparent: str
    tracestate: str = ""
    in_meta: bool = False

    sampled: ClassVar[bool] = False
    id: ClassVar[str] = ""


Context = Quiet | Trace

UNTRACED: Final = Quiet("", in_meta=True)
"""Of what no caller traces: nothing is passed on."""


class Tracer:
    """`offer` takes the spans of a call; None where nobody collects: nothing is sampled then. `ratio` is the share of
    calls that is sampled where the caller has not decided it. Made after a fork, never before: ids would come twice."""

    def __init__(self, offer: Callable[[Sequence[Span]], None] | None = None, ratio: float = 0.01) -> None:
        self._offer = offer
        self._pool: list[Quiet] = []
        # Sampled from this value of the random part on, so that all who read it so sample the same calls.
        share = 0.0 if offer is None else min(max(ratio, 0.0), 1.0)
        self._sampled_from = f"{round((1 - share) * 16**_DIGITS):0{_DIGITS}x}"
        if len(self._sampled_from) > _DIGITS:
            self._sampled_from = "g"  # sorts behind all digits: none

    def begin(self, meta: Fields = NOTHING, header: str = "", tracestate: str = "") -> Context:
        """For each call, once. `header` and `tracestate` are HTTP's; what `_meta` says goes before them."""
        if not header and TRACEPARENT not in meta:
            if not self._pool:
                self._refill()
            quiet = self._pool.pop()
            if quiet.traceparent[_RANDOM] < self._sampled_from:
                return quiet
            return self._root(quiet.traceparent)
        if TRACEPARENT not in meta and is_quiet(header):
            return Quiet(header, state(tracestate) if tracestate else "")
        return self._continued(meta, header, tracestate)

    def quiet(self) -> Quiet | None:
        """The context of a call that comes without one and is not sampled; None where the next one is: it then is the
        one that `begin` makes."""
        pool = self._pool
        if not pool:
            self._refill()
        return pool.pop() if pool[-1].traceparent[_RANDOM] < self._sampled_from else None

    def _continued(self, meta: Fields, header: str, tracestate: str) -> Context:
        told, told_state = from_meta(meta)
        if not told_state and is_quiet(told):
            return Quiet(told, in_meta=STATE not in meta)
        parent = parse(told) if told else None
        if parent is None:
            outer = parse(header) if header else None
            if outer is not None:
                return self._child(outer, header, state(tracestate), None)
            fresh = self.begin()
            # What stands in `_meta` is no context, and must not go on.
            return msgspec.structs.replace(fresh, in_meta=False) if isinstance(fresh, Quiet) and told else fresh
        if not parent.sampled or self._offer is None:
            # A `tracestate` that is none must not go on; then all of it is written anew.
            known = state(told_state)
            return Quiet(told, known, in_meta=known == told_state)
        # The transport's own context is another one (OpenTelemetry for MCP, Context propagation): it becomes a link.
        outer = parse(header) if header and header != told else None
        return self._child(parent, told, state(told_state), outer)

    def _child(self, parent: Parent, traceparent: str, tracestate: str, link: Parent | None) -> Context:
        if not parent.sampled or self._offer is None:
            return Quiet(traceparent, tracestate)
        return Trace(parent.trace, parent.span, parent.flags, tracestate, link, self._span_id, self._offer)

    def _root(self, traceparent: str) -> Trace:
        assert self._offer is not None  # noqa: S101  # otherwise no share is sampled
        return Trace(traceparent[3:35], "", _SAMPLED, "", None, self._span_id, self._offer)

    def _refill(self) -> None:
        digits = os.urandom(24 * _BATCH).hex()
        starts = range(0, len(digits), 48)
        self._pool += [
            Quiet(f"00-{digits[at : at + 32]}-{digits[at + 32 : at + 48]}-00", in_meta=True) for at in starts
        ]

    @staticmethod
    def _span_id() -> str:
        return os.urandom(8).hex()


def inject(meta: Fields, context: Context) -> Fields:
    """The `_meta` for the server (2026-07-28, Overview, OpenTelemetry trace context; SEP-414)."""
    if context.in_meta:
        return meta
    changed = {**meta, TRACEPARENT: Raw(b'"' + context.traceparent.encode() + b'"')}
    if context.tracestate:
        changed[STATE] = Raw(msgspec.json.encode(context.tracestate))
    else:
        changed.pop(STATE, None)
    return changed
