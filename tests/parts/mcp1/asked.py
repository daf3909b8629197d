"""Do what standard input says with the SDK's client of the 1.x generation, which lets the server ask its user.

Input: as for `client`, and `"content"`, what the user fills in. Output: the same, and `"asked"`, the messages.
"""

import asyncio
import json
import sys
from typing import Any

from mcp import ClientSession, McpError, types
from mcp.shared.context import RequestContext

from tests.parts.mcp1.client import step, streams

Context = RequestContext[ClientSession, Any]


async def run(task: dict[str, Any]) -> dict[str, Any]:
    asked: list[str] = []
    answers = []

    async def elicit(
        context: RequestContext[ClientSession, Any], params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content=task["content"])

    async with streams(task) as (read, write), ClientSession(read, write, elicitation_callback=elicit) as session:
        hello = await session.initialize()
        for operation, *arguments in task["steps"]:
            try:
                answers.append(await step(session, operation, *arguments))
            except McpError as error:
                answers.append({"error": {"code": error.error.code, "message": error.error.message}})
    return {"version": hello.protocolVersion, "asked": asked, "answers": answers}


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
