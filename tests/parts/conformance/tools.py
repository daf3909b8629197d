"""The tools that do more than answer: they ask, report, log and announce."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from tests.parts.conformance.announcing import Announcing
from tests.parts.conformance.asking import Asking
from tests.parts.conformance.offer import ELICIT_DEFAULTS, ELICIT_ENUMS, ELICIT_NAME, elicit, sample

__all__ = ["TOOLS", "Tool"]

Tool = Callable[[Asking, Announcing, Mapping[str, Any]], Awaitable[str]]

_STEP: Final = 0.02  # seconds between two messages, so that they do not leave as one
_CONFIRM: Final = elicit("Please confirm", ok={"type": "boolean"})
_ROOTS: Final[dict[str, Any]] = {"method": "roots/list", "params": {}}


async def log_thrice(asking: Asking, announcing: Announcing, _: Mapping[str, Any]) -> str:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await announcing.log(asking.context, "info", words)
        await asyncio.sleep(_STEP)
    return "Logged three times."


async def log_once(asking: Asking, announcing: Announcing, _: Mapping[str, Any]) -> str:
    await announcing.log(asking.context, "info", "Logged")
    return "Logged once."


async def progress(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    for step in (0, 50, 100):
        await asking.context.session.report_progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(_STEP)
    return "Done."


async def reconnect(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    if asking.context.close_sse_stream is not None:  # the legacy era alone
        await asking.context.close_sse_stream()
        await asyncio.sleep(0.1)
    return "Reconnection test completed."


async def ask_model(asking: Asking, _: Announcing, arguments: Mapping[str, Any]) -> str:
    answers = await asking.ask({"sampling": sample(arguments["prompt"])})
    return f"LLM response: {answers['sampling']['content']['text']}"


async def ask_user(asking: Asking, _: Announcing, arguments: Mapping[str, Any]) -> str:
    form = elicit(
        arguments["message"],
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    )
    answers = await asking.ask({"elicitation": form})
    return f"User response: {json.dumps(answers['elicitation'])}"


def form(request: dict[str, Any]) -> Tool:
    """A tool that asks the user, and says what came back."""

    async def ask(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
        answer = (await asking.ask({"elicitation": request}))["elicitation"]
        return f"Elicitation completed: action={answer['action']}, content={json.dumps(answer.get('content', {}))}"

    return ask


async def need_sampling(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    asking.require("sampling/createMessage")
    return "The client can sample."


async def change_tools(_: Asking, announcing: Announcing, __: Mapping[str, Any]) -> str:
    await announcing.change_tools()
    return "Changed."


async def change_prompts(_: Asking, announcing: Announcing, __: Mapping[str, Any]) -> str:
    await announcing.change_prompts()
    return "Changed."


async def greet(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    answer = (await asking.ask({"user_name": ELICIT_NAME}))["user_name"]
    return f"Hello, {answer.get('content', {}).get('name')}!"


async def capital(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    answers = await asking.ask({"capital_question": sample("What is the capital of France?")})
    return str(answers["capital_question"]["content"]["text"])


async def roots(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    answers = await asking.ask({"client_roots": _ROOTS})
    return ", ".join(root["uri"] for root in answers["client_roots"]["roots"])


async def confirm(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    await asking.ask({"confirm": _CONFIRM}, state=True)
    return "state-ok"


async def three_at_once(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    asked = {"user_name": ELICIT_NAME, "greeting": sample("Generate a greeting", 50), "client_roots": _ROOTS}
    return json.dumps(await asking.ask(asked, state=True))


async def twice(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    first = {"step1": elicit("Step 1: What is your name?", name={"type": "string"})}
    second = {"step2": elicit("Step 2: What is your favorite color?", color={"type": "string"})}
    return json.dumps({**await asking.ask(first, state=True), **await asking.ask(second, state=True)})


async def what_the_client_can(asking: Asking, _: Announcing, __: Mapping[str, Any]) -> str:
    asked = {"user_name": ELICIT_NAME, "capital_question": sample("What is the capital of France?")}
    return json.dumps(await asking.ask({key: it for key, it in asked.items() if asking.able(it["method"])}))


TOOLS: Final[Mapping[str, Tool]] = {
    "test_tool_with_logging": log_thrice,
    "test_logging_tool": log_once,
    "test_tool_with_progress": progress,
    "test_reconnection": reconnect,
    "test_sampling": ask_model,
    "test_elicitation": ask_user,
    "test_elicitation_sep1034_defaults": form(ELICIT_DEFAULTS),
    "test_elicitation_sep1330_enums": form(ELICIT_ENUMS),
    "test_streaming_elicitation": greet,
    "test_missing_capability": need_sampling,
    "test_trigger_tool_change": change_tools,
    "test_trigger_prompt_change": change_prompts,
    "test_input_required_result_elicitation": greet,
    "test_input_required_result_sampling": capital,
    "test_input_required_result_list_roots": roots,
    "test_input_required_result_request_state": confirm,
    "test_input_required_result_multiple_inputs": three_at_once,
    "test_input_required_result_multi_round": twice,
    "test_input_required_result_tampered_state": confirm,
    "test_input_required_result_capabilities": what_the_client_can,
}
