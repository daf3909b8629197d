"""A server that costs as little as a server can: it answers from bytes made beforehand.

`python -m bench.stub http TOOLS` prints its URL and serves; `python bench/stub.py stdio TOOLS` speaks over its standard
streams. It imports only the standard library, and little of that, so that fifty of it start quickly.
"""

import json
import sys

REVISION = "2026-07-28"
TEXT = "x" * 250  # characters of an answer


def answers(tools: int) -> dict[str, bytes]:
    """The `result` of each method."""
    info = {"_meta": {"io.modelcontextprotocol/serverInfo": {"name": "stub", "version": "1"}}}
    complete = {"resultType": "complete", **info}
    cached = {**complete, "ttlMs": 0, "cacheScope": "private"}
    schema = {"type": "object", "properties": {"text": {"type": "string", "description": "Any text"}}}
    listed = [
        {"name": f"tool-{n}", "description": f"The tool number {n} of a server that stands in for others",
         "inputSchema": schema} for n in range(tools)
    ]  # fmt: skip
    shapes = {
        "server/discover": {**cached, "supportedVersions": [REVISION], "capabilities": {"tools": {}}},
        "tools/list": {**cached, "tools": listed},
        "tools/call": {**complete, "content": [{"type": "text", "text": TEXT}]},
    }
    return {method: json.dumps(shape).encode() for method, shape in shapes.items()}


def reply(body: bytes, known: dict[str, bytes]) -> bytes | None:
    """The response to a request; None to a notification."""
    message = json.loads(body)
    if "id" not in message:
        return None
    key = json.dumps(message["id"]).encode()
    if (result := known.get(message["method"])) is None:
        return b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"unknown"}}' % key
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (key, result)


def stdio(tools: int) -> None:
    known = answers(tools)
    for line in sys.stdin.buffer:
        if (answer := reply(line, known)) is not None:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        stdio(int(sys.argv[2]))
    else:
        from bench.stub_http import serve  # not in the children, which start faster without asyncio

        serve(answers(int(sys.argv[2])))
