"""Which server a resource URI leads to, listed or not."""

import re
from typing import Final

from toolgate.catalog.snapshot import Route, View
from toolgate.errors import NotListed
from toolgate.model.tool import Kind

__all__ = ["locate"]

_ADDRESS: Final = re.compile(r"toolgate://([^/]+)/(.+)", re.DOTALL)
_EXPRESSION: Final = re.compile(r"\{[^}]*\}")


def locate(view: View, uri: str) -> Route:
    """The route of a URI: as listed; as `toolgate://{server}/{uri}`; by the first template that it fits; else to the
    only server that lists anything under its scheme, or to the only server there is. Raises `NotListed`."""
    if listed := view.of(Kind.RESOURCES).route(uri):
        return listed
    if (named := _ADDRESS.fullmatch(uri)) and named[1] in view.servers:
        return Route(named[1], named[2])
    if len(view.servers) == 1:
        return Route(view.servers[0], uri)
    for entry in view.of(Kind.TEMPLATES).entries:
        if _fits(entry.route.name, uri):
            return Route(entry.route.server, uri)
    return Route(_by_scheme(view, uri), uri)


def _by_scheme(view: View, uri: str) -> str:
    scheme = uri.partition(":")[0] + ":"
    kinds = (Kind.RESOURCES, Kind.TEMPLATES)
    candidates = {
        entry.route.server for kind in kinds for entry in view.of(kind).entries if entry.route.name.startswith(scheme)
    }
    if len(candidates) != 1:
        raise NotListed(f"no server lists the resource {uri}", uri=uri)
    return candidates.pop()


def _fits(template: str, uri: str) -> bool:
    """Whether an RFC 6570 template could have expanded to the URI: exact between expressions, generous inside them.

    One pass, no backtracking: templates come from servers, URIs from clients, and either may be hostile.
    """
    first, *middle = _EXPRESSION.split(template)
    if not middle:
        return uri == template
    last = middle.pop()
    if len(uri) < len(first) + len(last) or not (uri.startswith(first) and uri.endswith(last)):
        return False
    at, end = len(first), len(uri) - len(last)
    for literal in middle:
        found = uri.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True
