"""A legacy MCP server over stdio that starts fast, tells its process, and dies when it is asked to."""

import json
import os
import sys
from typing import Any


def result(request: dict[str, Any]) -> dict[str, Any]:
    method = request["method"]
    if method == "initialize":
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "mortal", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "pid", "die")]}
    if method != "tools/call":
        return {}
    name = request["params"]["name"]
    if name == "die":
        os._exit(3)
    return {"content": [{"type": "text", "text": str(os.getpid()) if name == "pid" else "hello"}]}


for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "server/discover":
        answer = {"error": {"code": -32601, "message": "no such method"}}
    elif "id" in message and "method" in message:
        answer = {"result": result(message)}
    else:
        continue
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
    sys.stdout.flush()
