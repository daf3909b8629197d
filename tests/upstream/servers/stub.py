"""A stdio MCP server in raw JSON lines, and the ways in which one can be broken: `stub.py MODE`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Final

MODE: Final = sys.argv[1] if len(sys.argv) > 1 else "legacy"
MORE: Final = json.loads(os.environ.get("MORE", "{}"))  # members of results, by method
TOOLS: Final = ["echo", "slow", "progress", "log", "die", "huge", "ask", "late", "garbage", "add"]
_lock = threading.Lock()
_tools = list(TOOLS)


def write(message: dict[str, Any]) -> None:
    write_raw(json.dumps({"jsonrpc": "2.0", **message}))


def write_raw(line: str) -> None:
    with _lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def answer(key: Any, result: dict[str, Any]) -> None:
    write({"id": key, "result": result})


def refuse(key: Any, code: int, message: str, data: Any = None) -> None:
    write({"id": key, "error": {"code": code, "message": message} | ({"data": data} if data else {})})


def hello(message: dict[str, Any]) -> None:
    key, method = message["id"], message["method"]
    capabilities: dict[str, Any] = {"tools": {"listChanged": True}, "logging": {}}
    if MODE == "lopsided":
        capabilities |= {"prompts": {}, "resources": {}}
    if MODE in {"watched", "modern"}:
        capabilities |= {"resources": {"subscribe": True}}
    if method == "initialize":
        if MODE == "modern":
            refuse(key, -32601, "no initialize here")
            return
        version = "2025-03-26" if MODE == "old" else message["params"]["protocolVersion"]
        info = {"name": "stub", "version": "1"}
        _client.update(message["params"]["capabilities"])
        greeting = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        answer(key, greeting | MORE.get(method, {}))
    elif MODE in {"modern", "pushy"}:
        discovered = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities}
        answer(key, discovered | MORE.get(method, {}))
    elif MODE == "future":
        refuse(key, -32022, "unsupported", {"supported": ["2031-01-01"], "requested": "2026-07-28"})
    elif MODE == "dual":
        refuse(key, -32022, "unsupported", {"supported": ["2025-11-25"], "requested": "2026-07-28"})
    elif MODE == "shy":
        sys.exit(7)
    elif MODE != "silent":
        refuse(key, -32602, "not initialized")


def list_tools(message: dict[str, Any]) -> None:
    at = int(message.get("params", {}).get("cursor", 0))
    page = _tools[at : at + 4]
    result: dict[str, Any] = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in page]}
    if at + 4 < len(_tools):
        result["nextCursor"] = str(at + 4)
    result |= MORE.get("tools/list", {})
    answer(message["id"], result)


def text(key: Any, words: str) -> None:
    answer(key, {"content": [{"type": "text", "text": words}]})


def echo(key: Any, params: dict[str, Any]) -> None:
    answer(key, {"echo": params, "pid": os.getpid()})


def progress(key: Any, params: dict[str, Any]) -> None:
    for step in range(3):
        told = {"progressToken": params.get("_meta", {}).get("progressToken"), "progress": step, "extra": step}
        write({"method": "notifications/progress", "params": told})
    text(key, "done")


def flood(_: Any, params: dict[str, Any]) -> None:
    """Progress, and no answer."""
    token = params["_meta"]["progressToken"]
    for step in range(params["arguments"]["count"]):
        write({"method": "notifications/progress", "params": {"progressToken": token, "progress": step}})


def log(key: Any, params: dict[str, Any]) -> None:
    for level in ("debug", "error"):
        write({"method": "notifications/message", "params": {"level": level, "data": params["arguments"].get("data")}})
    text(key, "logged")


def die(_: Any, params: dict[str, Any]) -> None:
    print("the last words", file=sys.stderr, flush=True)
    os._exit(params["arguments"].get("code", 3))


def huge(key: Any, params: dict[str, Any]) -> None:
    result = f'"result":{{"content":[],"id":99,"blob":"{"x" * params["arguments"]["size"]}"}}'
    at_tail = params["arguments"].get("tail")
    write_raw(f'{{"jsonrpc":"2.0",{result},"id":{key}}}' if at_tail else f'{{"jsonrpc":"2.0","id":{key},{result}}}')


def ask(key: Any, _: dict[str, Any]) -> None:
    """Answers once both of its own requests were answered."""
    _asked.append(key)
    write({"id": "ping-1", "method": "ping"})
    write({"id": "roots-1", "method": "roots/list"})


def late(key: Any, params: dict[str, Any]) -> None:
    threading.Timer(params["arguments"]["after"], text, (key, "too late")).start()


def slow(_: Any, __: dict[str, Any]) -> None:
    """Never answers."""


def nap(_: Any, __: dict[str, Any]) -> None:
    """Reads no further."""
    time.sleep(3600)


def garbage(key: Any, _: dict[str, Any]) -> None:
    write_raw("Listening on port 3000 with token hunter2-secret...")
    write_raw('{"jsonrpc":"2.0"')
    write_raw("[1, 2]")
    write_raw('{"jsonrpc":"2.0","id":123456,"result":{}}')
    text(key, "after garbage")


def add(key: Any, params: dict[str, Any]) -> None:
    _tools.append(params["arguments"]["name"])
    write({"method": "notifications/tools/list_changed"})
    text(key, "added")


def batch(key: Any, _: dict[str, Any]) -> None:
    first = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}
    write_raw(json.dumps([first, {"jsonrpc": "2.0", "id": key, "result": {"batch": True}}]))


def cancelled(key: Any, _: dict[str, Any]) -> None:
    answer(key, {"cancelled": _cancelled})


def whoami(key: Any, _: dict[str, Any]) -> None:
    answer(key, {"pid": os.getpid(), "client": _client})


def survey(key: Any, params: dict[str, Any]) -> None:
    """A modern tool that asks for two things at once, and then for a third."""
    answers, state = params.get("inputResponses", {}), params.get("requestState", "")
    if not answers:
        form = {"mode": "url", "message": "sign in", "url": "https://sign.example"}
        questions = {
            "who": {"method": "elicitation/create", "params": form},
            "where": {"method": "roots/list"},
        }
        answer(key, {"resultType": "input_required", "inputRequests": questions, "requestState": "one"})
    elif state == "one":
        question = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}
        state = json.dumps(answers)
        answer(key, {"resultType": "input_required", "inputRequests": {"what": question}, "requestState": state})
    else:
        answer(key, {"resultType": "complete", "first": json.loads(state), "second": answers, "id": key})


def nag(key: Any, _: dict[str, Any]) -> None:
    """Never has enough."""
    question = {"method": "roots/list"}
    answer(key, {"resultType": "input_required", "inputRequests": {"again": question}})


def levels(key: Any, _: dict[str, Any]) -> None:
    answer(key, {"levels": _levels})


def listen(message: dict[str, Any]) -> None:
    wanted = message["params"]["notifications"]
    _subscribed[:] = wanted.get("resourceSubscriptions", [])
    _subscriptions.append(list(_subscribed))
    acknowledged = {"notifications": wanted, "_meta": {"io.modelcontextprotocol/subscriptionId": message["id"]}}
    write({"method": "notifications/subscriptions/acknowledged", "params": acknowledged})


def subscribe(key: Any, method: str, params: dict[str, Any]) -> None:
    uri = params["uri"]
    if uri.startswith("x:"):
        refuse(key, -32002, "no such resource")
        return
    _subscriptions.append([method, uri, *([params] if len(params) > 1 else [])])
    (_subscribed.append if method == "resources/subscribe" else _subscribed.remove)(uri)
    answer(key, {})


def touch(key: Any, params: dict[str, Any]) -> None:
    """Tells of an update of a resource that is below one that was subscribed to, or is one."""
    uri = params["arguments"]["uri"]
    if any(uri.startswith(known) for known in _subscribed):
        write({"method": "notifications/resources/updated", "params": {"uri": uri, "extra": 1}})
    answer(key, {"subscriptions": _subscriptions})


def close_output(_: Any, __: dict[str, Any]) -> None:
    os.close(1)


CALLS: Final = {
    tool.__name__: tool
    for tool in (
        echo, progress, flood, log, die, huge, ask, late, slow, nap, garbage, add, batch, cancelled, levels,
        whoami,
        touch, survey, nag,
        close_output,
    )
}  # fmt: skip


_asked: list[Any] = []
_answers: list[dict[str, Any]] = []
_cancelled: list[Any] = []
_levels: list[str] = []
_client: dict[str, Any] = {}
_subscribed: list[str] = []
_subscriptions: list[Any] = []


def take(message: dict[str, Any]) -> None:
    method = message.get("method")
    if method is None:
        _answers.append(message)
        if len(_answers) == 2:
            answer(_asked.pop(), {"answers": _answers})
    elif method in {"initialize", "server/discover"}:
        hello(message)
    elif method == "tools/list":
        list_tools(message)
    elif method == "notifications/cancelled":
        _cancelled.append(message["params"])
    elif method == "tools/call":
        CALLS[message["params"]["name"]](message["id"], message["params"])
    elif method == "resources/list":
        answer(message["id"], {"resources": [{"uri": "memo://one", "name": "one"}, {"name": "without a uri"}]})
    elif method == "prompts/list":
        refuse(message["id"], -32603, "the prompts are lost")
    elif method == "logging/setLevel":
        _levels.append(message["params"]["level"])
        answer(message["id"], {})
    elif method == "subscriptions/listen":
        listen(message)
    elif method in {"resources/subscribe", "resources/unsubscribe"}:
        subscribe(message["id"], method, message["params"])
    elif "id" in message:
        refuse(message["id"], -32601, "unknown method")


def main() -> None:
    print(f"stub in mode {MODE}", file=sys.stderr, flush=True)
    if MODE == "exit":
        print("cannot go on: the licence is missing", file=sys.stderr, flush=True)
        sys.exit(2)
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "deaf":
        time.sleep(3600)
    if MODE == "noisy":
        threading.Thread(target=shout, daemon=True).start()
    if MODE == "launcher":
        sys.exit(subprocess.call([sys.executable, __file__, "legacy"]))
    if path := os.environ.get("STARTS"):
        with open(path, "a", encoding="ascii") as starts:
            starts.write("x")
    if pause := os.environ.get("PAUSE"):
        time.sleep(float(pause))
    for line in sys.stdin:
        take(json.loads(line))
    if MODE == "stubborn":
        time.sleep(3600)


def shout() -> None:
    for at in range(200_000):
        sys.stderr.write(f"line {at} of very much that nobody asked for\n")


if __name__ == "__main__":
    main()
