"""JSON written as exactly as `tests.exact` reads it, and the few JSON-RPC messages that both ends need."""

import json
import re
from typing import Any, Final

from tests.exact import Number

__all__ = ["failure", "notification", "request", "response", "written"]

_LONE: Final = re.compile("[\ud800-\udfff]")


def written(value: Any) -> str:
    """Numbers as their text, characters as themselves; only what UTF-8 cannot hold is escaped."""
    match value:
        case Number():
            return value.text
        case dict():
            return "{" + ",".join(f"{written(name)}:{written(member)}" for name, member in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(written, value)) + "]"
        case str():
            return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
        case _:
            return json.dumps(value)


def request(key: str, method: str, params: Any = None) -> str:
    return f'{{"jsonrpc":"2.0","id":{key},"method":{written(method)}{_params(params)}}}'


def notification(method: str, params: Any = None) -> str:
    return f'{{"jsonrpc":"2.0","method":{written(method)}{_params(params)}}}'


def response(key: str, result: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{key},"result":{result}}}'


def failure(key: str, error: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{key},"error":{error}}}'


def _params(params: Any) -> str:
    return "" if params is None else f',"params":{written(params)}'
