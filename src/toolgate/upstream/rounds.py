"""A modern server that needs input answers with questions and is asked again with the answers (2026-07-28, Multi
Round-Trip Requests). A legacy client is asked in the stream of its own call instead (2025-11-25, Elicitation, Sampling,
Roots), and sees one call."""

import asyncio
from secrets import token_hex
from typing import Final

import msgspec
from msgspec import Raw

from toolgate.errors import BrokenReply
from toolgate.pipeline.call import Call, Reply
from toolgate.protocol.envelope import Fields, dump, fields

__all__ = ["answered", "needs_input"]

_NEEDS_INPUT: Final = b'"input_required"'
_text: Final = msgspec.json.Decoder(str)


def needs_input(reply: Reply) -> bool:
    if reply.is_error or _NEEDS_INPUT not in reply.payload:
        return False
    return bytes(fields(reply.payload, "a result").get("resultType", b"")) == _NEEDS_INPUT


async def answered(call: Call, reply: Reply) -> Call | Reply:
    """The call to send again, with the client's answers and the server's own state; or the client's refusal."""
    result = fields(reply.payload, "a result")
    questions = fields(result["inputRequests"], "inputRequests") if "inputRequests" in result else {}
    if not questions and "requestState" not in result:
        raise BrokenReply(
            f"server {call.route.server!r} asked for input without saying for which", server=call.route.server
        )
    asked = [asyncio.create_task(_ask(call, question)) for question in questions.values()]
    try:
        replies = await asyncio.gather(*asked)
    finally:
        for task in asked:
            task.cancel()
    refused = next((answer for answer in replies if answer.is_error), None)
    if refused is not None:
        return refused
    answers = {key: Raw(answer.payload) for key, answer in zip(questions, replies, strict=True)}
    params = {name: value for name, value in call.params.items() if name not in {"inputResponses", "requestState"}}
    if answers:
        params["inputResponses"] = Raw(dump(answers))
    if "requestState" in result:
        params["requestState"] = result["requestState"]
    return call.with_(params=params)


async def _ask(call: Call, question: Raw) -> Reply:
    members = fields(question, "an input request")
    method = _text.decode(members.get("method", Raw(b'""')))
    if "params" not in members:
        return await call.channel.ask(method, None)
    return await call.channel.ask(method, dump(_as_legacy(method, fields(members["params"]))))


def _as_legacy(method: str, params: Fields) -> Fields:
    """The one member that a legacy question has and a modern one does not (2025-11-25, Elicitation, URL mode)."""
    if method == "elicitation/create" and bytes(params.get("mode", b"")) == b'"url"':
        params.setdefault("elicitationId", Raw(dump(token_hex(16))))
    return params
