"""Calls of modern clients that wait for answers.

A legacy server asks in the middle of a call and keeps the call open. A modern client gets the questions as the result
of its request and sends the request again with the answers (2026-07-28, Multi Round-Trip Requests). In between the call
is parked here; the sealed `requestState` says which it is, whose, and for which request.
"""

import asyncio
import json
from collections.abc import Mapping
from hashlib import blake2b
from itertools import count
from secrets import randbelow
from time import time
from typing import Any, Final

import msgspec
from msgspec import Raw

from toolgate.errors import CannotAsk, InvalidParams, MissingCapability
from toolgate.inbound.elsewhere import ALONE, Place
from toolgate.inbound.parked import Parked, ParkedChannel
from toolgate.pipeline.call import Call, Reply
from toolgate.pipeline.stage import Proceed
from toolgate.protocol.capabilities import NONE, may_ask
from toolgate.protocol.envelope import Fields, dump, fields
from toolgate.protocol.results import error_code
from toolgate.protocol.sealed import Sealer

__all__ = ["Parking"]

_PATIENCE: Final = 600.0  # seconds that a client may take to come back
_MOST: Final = 1_000  # parked calls
_MOST_EACH: Final = 500  # of one principal
_MOST_BYTES: Final = 64 * 1024 * 1024  # of arguments that wait with them
_BEGINNINGS: Final = 1 << 48
_PREFIX: Final = "tg1."
_OPEN_URL_FIRST: Final = -32042  # 2025-11-25, Elicitation, URL Elicitation Required Error
_NOT_DIGESTED: Final = frozenset({"_meta", "inputResponses", "requestState"})


class _State(msgspec.Struct, array_like=True):
    """`call` is 0 where nothing is parked and the request is simply made again."""

    principal: str
    digest: bytes
    expires: float
    call: int
    round: int
    worker: int = 0


class _Elicitations(msgspec.Struct):
    elicitations: list[dict[str, Any]]


class _UrlFirst(msgspec.Struct):
    data: _Elicitations


class Parking:
    """All parked calls. `patience` is in seconds."""

    def __init__(self, key: bytes, patience: float = _PATIENCE, place: Place = ALONE) -> None:
        self._place = place
        self._sealer = Sealer(key, "requestState")
        self._patience = patience
        self._parked: dict[int, Parked] = {}
        # A state outlives the process that gave it out, and must not name a call of the next one.
        self._numbers = count(randbelow(_BEGINNINGS) + 1)

    def __len__(self) -> int:
        return len(self._parked)

    async def run(self, call: Call, proceed: Proceed) -> Reply:
        """Start the call, or go on with the one that its `requestState` names, until it ends or asks something.
        Raises `Elsewhere` where another worker has that one."""
        if call.capabilities == NONE and "requestState" not in call.params:  # there is nothing that it could be asked
            reply = await proceed(call)
            return self._url_first(call, reply) if reply.is_error else reply
        state = self._state(call)
        parked = self._go_on(call, state) if state is not None and state.call else self._start(call, proceed)
        try:
            questions = await parked.until_done_or_asking()
        except asyncio.CancelledError:
            self._forget(parked)
            raise
        if questions:
            return self._park(call, parked, questions)
        self._forget(parked)
        reply = parked.task.result()
        return self._url_first(call, reply) if reply.is_error else reply

    def close(self) -> None:
        """End all of them: the gateway stops."""
        for parked in tuple(self._parked.values()):
            self._forget(parked)

    # Fresh calls, and those that come back.

    def _start(self, call: Call, proceed: Proceed) -> Parked:
        channel = ParkedChannel(call.channel, lambda: self._admit(call))
        params = {name: value for name, value in call.params.items() if name not in {"inputResponses", "requestState"}}
        work = proceed(call.with_(channel=channel, params=params))
        size = sum(len(bytes(value)) for value in params.values())
        parked = Parked(next(self._numbers), call.principal.id, size, channel, asyncio.ensure_future(work))
        parked.task.add_done_callback(channel.wake)
        return parked

    def _admit(self, call: Call) -> None:
        """Room for one more, or `CannotAsk`."""
        own = sum(parked.principal == call.principal.id for parked in self._parked.values())
        size = sum(parked.size for parked in self._parked.values())
        if len(self._parked) >= _MOST or own >= _MOST_EACH or size >= _MOST_BYTES:
            raise CannotAsk("too many calls wait for answers already")

    def _go_on(self, call: Call, state: _State) -> Parked:
        self._place.check(state.worker)
        parked = self._parked.get(state.call)
        if parked is None:
            raise InvalidParams(
                "the call that waits for this answer is gone: the gateway was restarted, or the answer took too long",
                hint="make the request again without requestState",
            )
        if parked.round != state.round:
            raise InvalidParams("this requestState was used already", hint="make the request again without it")
        parked.take_up(call.channel)
        answers = call.params.get("inputResponses")
        parked.channel.answer(_answers(answers) if answers is not None else {})
        return parked

    def _state(self, call: Call) -> _State | None:
        raw = call.params.get("requestState")
        if raw is None:
            return None
        try:
            token = msgspec.json.decode(raw, type=str)
        except msgspec.DecodeError:
            raise InvalidParams("requestState must be a string") from None
        opened = self._sealer.open(token.removeprefix(_PREFIX)) if token.startswith(_PREFIX) else None
        if opened is None:
            raise InvalidParams("requestState is not one that was given out here")
        state = msgspec.msgpack.decode(opened, type=_State)
        if state.principal != call.principal.id or state.digest != _digest(call):
            raise InvalidParams("requestState was given out for another request")
        if state.expires < time():
            raise InvalidParams("requestState has expired", hint="make the request again without it")
        return state

    # Questions out.

    def _park(self, call: Call, parked: Parked, questions: Mapping[str, bytes]) -> Reply:
        self._parked[parked.number] = parked
        parked.park(self._patience, lambda: self._forget(parked))
        return self._input_required(call, questions, parked.number, parked.round)

    def _input_required(self, call: Call, questions: Mapping[str, bytes], number: int, turn: int) -> Reply:
        state = _State(call.principal.id, _digest(call), time() + self._patience, number, turn, self._place.number)
        result = {
            "resultType": "input_required",
            "inputRequests": {key: Raw(question) for key, question in questions.items()},
            "requestState": _PREFIX + self._sealer.seal(msgspec.msgpack.encode(state)),
        }
        return Reply(dump(result))

    def _url_first(self, call: Call, reply: Reply) -> Reply:
        """A legacy server that wants a URL opened before it is asked again says so with an error of its own."""
        if error_code(reply.payload) != _OPEN_URL_FIRST:
            return reply
        if not may_ask(call.capabilities, "elicitation/create", b'{"mode":"url"}'):
            raise MissingCapability(
                f"server {call.route.server!r} wants a URL opened first, which this client cannot be asked for",
                requiredCapabilities={"elicitation": {"url": {}}},
            )
        try:
            wanted = msgspec.json.decode(reply.payload, type=_UrlFirst).data.elicitations
        except msgspec.DecodeError:
            return reply
        questions = {
            f"url-{at}": dump({"method": "elicitation/create", "params": {**_without_id(one), "mode": "url"}})
            for at, one in enumerate(wanted, 1)
        }
        return self._input_required(call, questions, 0, 0) if questions else reply

    def _forget(self, parked: Parked) -> None:
        self._parked.pop(parked.number, None)
        parked.end()


def _digest(call: Call) -> bytes:
    """Of what makes the request this one and no other, however its JSON is written."""
    try:
        said = {name: _exactly(value) for name, value in call.params.items() if name not in _NOT_DIGESTED}
    except (ValueError, RecursionError):
        raise InvalidParams("the arguments are nested too deeply") from None
    body = json.dumps([call.method, call.route.server, call.route.name, said], sort_keys=True)
    return blake2b(body.encode(), digest_size=16).digest()


def _exactly(value: Raw) -> Any:
    """Numbers as they are written: some have more digits, or are larger, than any number here."""
    return json.loads(bytes(value), parse_int=str, parse_float=str)


def _answers(raw: Raw) -> Fields:
    """Only objects are answers; a question whose answer is something else is asked again."""
    return {key: answer for key, answer in fields(raw, "inputResponses").items() if bytes(answer)[:1] == b"{"}


def _without_id(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "elicitationId"}
