"""What an era defines, and so may differ between the two sides of the gateway. Nothing else may.

Each entry says what a message has on the other side when it crosses: members that are added if they are not there, and
members that are taken away. Same era: nothing at all.
"""

from typing import Any, Final, NamedTuple

from tests.exact import Number
from tests.peers import LEGACY, MODERN
from tests.transparency.scripted import META

__all__ = ["expected_error", "expected_meta", "expected_question", "expected_result"]


class Crossing(NamedTuple):
    added: dict[str, Any]
    removed: frozenset[str]


_NONE: Final = Crossing({}, frozenset())
_UNCHANGED: Final = dict.fromkeys(("result", "cacheable", "result._meta", "form", "url", "request._meta"), _NONE)
_ENVELOPE: Final = frozenset(META + key for key in ("protocolVersion", "clientInfo", "clientCapabilities", "logLevel"))

# (era of the sender, era of the receiver) → part of a message → what the receiver's era wants otherwise.
TABLE: Final[dict[tuple[str, str], dict[str, Crossing]]] = {
    (MODERN, MODERN): _UNCHANGED,
    (LEGACY, LEGACY): _UNCHANGED,
    (LEGACY, MODERN): {
        "result": Crossing({"resultType": "complete"}, frozenset()),
        "cacheable": Crossing({"resultType": "complete", "ttlMs": Number("0"), "cacheScope": "private"}, frozenset()),
        "result._meta": Crossing({META + "serverInfo": "the server's"}, frozenset()),
        "form": Crossing({"mode": "form"}, frozenset()),
        "url": Crossing({}, frozenset({"elicitationId"})),
        "request._meta": Crossing(dict.fromkeys(sorted(_ENVELOPE - {META + "logLevel"})), frozenset()),
    },
    (MODERN, LEGACY): {
        "result": Crossing({}, frozenset({"resultType", "ttlMs", "cacheScope"})),
        "cacheable": Crossing({}, frozenset({"resultType", "ttlMs", "cacheScope"})),
        "result._meta": _NONE,
        "form": _NONE,
        "url": Crossing({"elicitationId": "the gateway's"}, frozenset()),
        "request._meta": Crossing({}, _ENVELOPE),
    },
}
_ERROR_CODES: Final = {(LEGACY, MODERN): {"-32002": "-32602"}}


def expected_result(
    result: dict[str, Any], method: str, server: str, client: str, server_info: dict[str, Any]
) -> dict[str, Any]:
    table = TABLE[server, client]
    expected = _crossed(result, table["cacheable" if method == "resources/read" else "result"])
    if added := dict.fromkeys(table["result._meta"].added, server_info):
        expected["_meta"] = {**added, **expected.get("_meta", {})}
    return expected


def expected_error(error: dict[str, Any], server: str, client: str) -> dict[str, Any]:
    code = error["code"].text
    return {**error, "code": Number(_ERROR_CODES.get((server, client), {}).get(code, code))}


def expected_question(params: dict[str, Any], found: dict[str, Any], server: str, client: str) -> dict[str, Any]:
    """`found` gives what the gateway chooses itself."""
    crossing = TABLE[server, client]["url" if params.get("mode") == "url" else "form"]
    if "mode" not in params and "message" not in params:
        return params
    chosen = {name: found.get(name) if name == "elicitationId" else value for name, value in crossing.added.items()}
    return _crossed(params, Crossing(chosen, crossing.removed))


def expected_meta(
    meta: dict[str, Any], found: dict[str, Any], client: str, server: str, level: str | None
) -> dict[str, Any]:
    """Of a request on its way from the client to the server. `level` is that of a legacy client's session."""
    crossing = TABLE[client, server]["request._meta"]
    chosen = {name: found.get(name) for name in crossing.added}
    if level is not None and (client, server) == (LEGACY, MODERN):
        chosen[META + "logLevel"] = level
    if "progressToken" in meta:
        chosen["progressToken"] = found.get("progressToken")  # two clients may choose the same one
        meta = {name: value for name, value in meta.items() if name != "progressToken"}
    return _crossed(meta, Crossing(chosen, crossing.removed))


def _crossed(members: dict[str, Any], crossing: Crossing) -> dict[str, Any]:
    return {**crossing.added, **{name: value for name, value in members.items() if name not in crossing.removed}}
