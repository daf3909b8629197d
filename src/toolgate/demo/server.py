"""A small MCP server over standard streams: `python -m toolgate.demo.server`.

It speaks both eras, needs nothing but the standard library, and starts in the time that Python takes.
"""

import json
import sys
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any, Final, TextIO

from toolgate.demo import offer
from toolgate.demo.offer import BadArgumentError, Json, UnknownNameError

__all__ = ["Server", "main"]

# Not taken from `toolgate.protocol`: whoever starts this waits for every import.
_MODERN: Final = ("2026-07-28",)
_LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_META: Final = "io.modelcontextprotocol/"
_INFO: Final[Json] = {"name": "toolgate-demo", "title": "Toolgate's demonstration", "version": "1.0.0"}
_CAPABILITIES: Final[Json] = {"tools": {}, "resources": {}, "prompts": {}, "completions": {}}
_INSTRUCTIONS: Final = "Nothing here has an effect on anything: it is there to be tried."
_CACHED: Final = frozenset(
    ("server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read")
)
_HOUR: Final = 3_600_000


class _GivenUpError(Exception):
    """The call was cancelled: nothing more is said about it."""


class _RefusedError(Exception):
    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.answer: Json = {"code": code, "message": message} | ({"data": data} if data is not None else {})


class Server:
    """Takes one line at a time; answers of slow calls come from threads of their own."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = Lock()
        self._initialized = False
        self._running: dict[str | int, Event] = {}

    def line(self, line: str) -> None:
        try:
            received = json.loads(line)
        except ValueError:
            self._write({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "this is not JSON"}})
            return
        for message in received if isinstance(received, list) else [received]:  # 2025-03-26 has batches
            self._message(message)

    def _message(self, message: Any) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return  # an answer, and this server asks nothing
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" not in message:
            key = params.get("requestId")
            if message["method"] == "notifications/cancelled" and isinstance(key, str | int) and key in self._running:
                self._running[key].set()
            return
        self._request(message["id"], message["method"], params)

    def _request(self, key: str | int, method: str, params: Json) -> None:
        meta = params.get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        modern = f"{_META}protocolVersion" in meta
        answer = self._answer_of(key, method, modern)
        try:
            self._check_era(method, meta, modern)
            if method == "tools/call" and params.get("name") == "countdown":
                self._count(key, _arguments(params), meta.get("progressToken"), answer)
            else:
                answer(lambda: self._result(method, params, modern))
        except _RefusedError as error:
            self._write({"jsonrpc": "2.0", "id": key, "error": error.answer})

    def _check_era(self, method: str, meta: Json, modern: bool) -> None:
        if not modern:
            if not self._initialized and method not in ("initialize", "ping"):
                raise _RefusedError(-32602, f"begin with initialize, or name {_META}protocolVersion in _meta")
            return
        requested = meta[f"{_META}protocolVersion"]
        if requested not in _MODERN:
            data = {"supported": [*_MODERN, *_LEGACY], "requested": requested}
            raise _RefusedError(-32022, "this revision is not spoken here", data)
        if not isinstance(meta.get(f"{_META}clientCapabilities"), dict):
            raise _RefusedError(-32602, f"_meta lacks {_META}clientCapabilities")

    def _answer_of(self, key: str | int, method: str, modern: bool) -> Callable[[Callable[[], Json]], None]:
        def answer(compute: Callable[[], Json]) -> None:
            try:
                result = compute()
            except _GivenUpError:
                return
            except _RefusedError as error:
                self._write({"jsonrpc": "2.0", "id": key, "error": error.answer})
                return
            except BadArgumentError as error:
                result = {"content": [{"type": "text", "text": str(error)}], "isError": True}
            except UnknownNameError as error:
                code = -32002 if method == "resources/read" and not modern else -32602
                self._write({"jsonrpc": "2.0", "id": key, "error": {"code": code, "message": str(error)}})
                return
            self._write({"jsonrpc": "2.0", "id": key, "result": _modern(result, method) if modern else result})

        return answer

    def _count(
        self, key: str | int, arguments: Json, token: str | int | None, answer: Callable[[Callable[[], Json]], None]
    ) -> None:
        cancelled = self._running[key] = Event()

        def report(done: int, total: int, message: str) -> None:
            if token is not None and not cancelled.is_set():
                params = {"progressToken": token, "progress": done, "total": total, "message": message}
                self._write({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

        def count() -> Json:
            result = offer.countdown(arguments, report, cancelled)
            if cancelled.is_set():
                raise _GivenUpError
            return result

        def run() -> None:
            answer(count)
            del self._running[key]

        Thread(target=run, daemon=True).start()

    def _result(self, method: str, params: Json, modern: bool) -> Json:
        match method:
            case "server/discover" if modern:
                return {
                    "supportedVersions": [*_MODERN, *_LEGACY],
                    "capabilities": _CAPABILITIES,
                    "instructions": _INSTRUCTIONS,
                }
            case "initialize" if not modern:
                return self._initialize(params)
            case "ping" if not modern:
                return {}
            case "tools/list":
                return {"tools": offer.TOOLS}
            case "resources/list":
                return {"resources": offer.RESOURCES}
            case "resources/templates/list":
                return {"resourceTemplates": offer.TEMPLATES}
            case "prompts/list":
                return {"prompts": offer.PROMPTS}
            case "tools/call":
                return _call(params)
            case "resources/read":
                return offer.read_resource(str(params.get("uri")))
            case "prompts/get":
                return offer.get_prompt(str(params.get("name")), _arguments(params))
            case "completion/complete":
                return _complete(params)
        raise _RefusedError(-32601, f"there is no method {method}")

    def _initialize(self, params: Json) -> Json:
        self._initialized = True
        requested = params.get("protocolVersion")
        return {
            "protocolVersion": requested if requested in _LEGACY else _LEGACY[0],
            "capabilities": _CAPABILITIES,
            "serverInfo": _INFO,
            "instructions": _INSTRUCTIONS,
        }

    def _write(self, message: Json) -> None:
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()


def _call(params: Json) -> Json:
    name = str(params.get("name"))
    if name not in offer.RESULTS:
        raise UnknownNameError(f"there is no tool {name}")
    return offer.RESULTS[name](_arguments(params))


def _arguments(params: Json) -> Json:
    arguments = params.get("arguments", {})
    if not isinstance(arguments, dict):
        raise _RefusedError(-32602, "arguments must be an object")
    return arguments


def _complete(params: Json) -> Json:
    reference, argument = params.get("ref"), params.get("argument")
    if not isinstance(reference, dict) or not isinstance(argument, dict):
        raise _RefusedError(-32602, "ref and argument must be objects")
    return offer.complete(reference, str(argument.get("name")), str(argument.get("value", "")))


def _modern(result: Json, method: str) -> Json:
    """What revision 2026-07-28 asks of every result, and of those that may be cached."""
    shared: Json = {"resultType": "complete", "_meta": {f"{_META}serverInfo": _INFO}}
    return {**result, **shared} | ({"ttlMs": _HOUR, "cacheScope": "public"} if method in _CACHED else {})


def main() -> None:
    """Serve until standard input ends."""
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    server = Server(sys.stdout)
    try:
        for line in sys.stdin:
            if line.strip():
                server.line(line)
    except (KeyboardInterrupt, BrokenPipeError):
        pass


if __name__ == "__main__":
    main()
