"""What is built of parts that were kept reads as what would be built of everything anew."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from toolgate.catalog.build import ALL, server_endpoint, virtual_endpoint
from toolgate.catalog.pages import page
from toolgate.catalog.refresh import Catalog, Changes
from toolgate.catalog.snapshot import Listing
from toolgate.catalog.virtual import Bundle, Pick
from toolgate.model.names import exposed_name
from toolgate.model.tool import Catalogue, Item, Kind

SERVERS = ("a", "b", "a-b")
Line = tuple[str, str, str, bytes]
"""The name that a client sees, the server, the server's own name, and the JSON."""


def lines(listing: Listing) -> list[Line]:
    return [(entry.name, entry.route.server, entry.route.name, entry.item) for entry in listing.entries]


def own(server: str, kind: Kind, catalogue: Catalogue | None) -> dict[str, Line]:
    found: dict[str, Line] = {}
    for item in catalogue.of(kind) if catalogue is not None else ():
        found.setdefault(item.name, (item.name, server, item.name, item.raw))
    return found


def renamed(kind: Kind, line: Line, name: str) -> Line:
    item = json.dumps({**json.loads(line[3]), kind.key: name}, ensure_ascii=False, separators=(",", ":"))
    return name, line[1], line[2], item.encode()


def prefixed(server: str, kind: Kind, catalogue: Catalogue | None) -> Iterator[Line]:
    taken: set[str] = set()
    for line in own(server, kind, catalogue).values():
        name = exposed_name(server, line[2])
        if name in taken:
            name = exposed_name(server, line[2], distinct=True)
        if name not in taken:
            taken.add(name)
            yield renamed(kind, line, name)


def whole(kind: Kind, known: Mapping[str, Catalogue | None]) -> list[Line]:
    found: dict[str, Line] = {}
    for server, catalogue in known.items():
        if kind in (Kind.TOOLS, Kind.PROMPTS):
            found.update((line[0], line) for line in prefixed(server, kind, catalogue))
            continue
        for line in own(server, kind, catalogue).values():
            if line[0] not in found:
                found[line[0]] = line
            elif (name := f"toolgate://{server}/{line[0]}") not in found:
                found[name] = renamed(kind, line, name)
    return list(found.values())


def picked(bundle: Bundle, kind: Kind, listed: Sequence[Line]) -> list[Line]:
    found: dict[str, Line] = {}
    for pick in bundle.of(kind):
        for line in listed:
            if fnmatchcase(line[0], pick.pattern):
                name = pick.name or line[0]
                found.setdefault(name, renamed(kind, line, name) if pick.name else line)
    return list(found.values())


def anew(known: Mapping[str, Catalogue | None], bundles: Sequence[Bundle]) -> dict[tuple[str, Kind], list[Line]]:
    views: dict[tuple[str, Kind], list[Line]] = {}
    for kind in Kind:
        listed = views[ALL, kind] = whole(kind, known)
        views.update({(server_endpoint(name), kind): [*own(name, kind, one).values()] for name, one in known.items()})
        views.update({(virtual_endpoint(one.name), kind): picked(one, kind, listed) for one in bundles})
    return views


def read_in_pages(listing: Listing, kind: Kind) -> list[bytes]:
    items: list[bytes] = []
    cursor = None
    while True:
        body = json.loads(b"{" + page(listing, kind.value, cursor) + b"}")
        items += [json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() for item in body[kind.value]]
        cursor = body.get("nextCursor")
        if cursor is None:
            return items


def offering(kind: Kind, names: list[str]) -> tuple[Item, ...]:
    return tuple(
        Item(name, json.dumps({kind.key: name, "at": at}, separators=(",", ":")).encode())
        for at, name in enumerate(names)
    )


names = st.lists(
    st.sampled_from(["x", "y", "x.y", "x_y", "t://1", "t://2", "toolgate://b/t://1", "toolgate://a-b/t://2", "n" * 80]),
    max_size=5,
)
catalogues = st.fixed_dictionaries({}, optional=dict.fromkeys(Kind, names)).map(
    lambda lists: Catalogue({kind: offering(kind, listed) for kind, listed in lists.items()})
)
bundles = st.lists(
    st.tuples(
        st.sampled_from(["*", "a__*", "*x*", "t://?", "[ab]__x"]),
        st.sampled_from(["", "", "other"]),
    ).map(lambda pick: Pick(*pick)),
    max_size=3,
).map(lambda picks: Bundle("v", {Kind.TOOLS: tuple(picks), Kind.RESOURCES: tuple(Pick(one.pattern) for one in picks)}))
steps = st.one_of(
    st.tuples(st.permutations(SERVERS).flatmap(lambda order: st.integers(0, 3).map(lambda n: order[:n])), bundles),
    st.tuples(st.sampled_from(SERVERS), catalogues),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=12))
def test_every_sequence_of_changes_reads_as_if_all_were_built_anew(sequence: list[tuple[Any, Any]]) -> None:
    asyncio.run(_follow(sequence))


async def _follow(sequence: list[tuple[Any, Any]]) -> None:
    catalog = Catalog()
    told: list[Changes] = []
    catalog.subscribe(told.append)
    known: dict[str, Catalogue | None] = {}
    offered: tuple[Bundle, ...] = ()
    for what, value in sequence:
        before = anew(known, offered)
        if isinstance(what, str):
            catalog.learn(what, value)
            known |= {what: value} if what in known else {}
        else:
            offered = (value,)
            catalog.configure(what, offered)
            known = {name: known.get(name) for name in what}
        await asyncio.wait_for(catalog.built(), 5)
        views = catalog.current.views
        after = anew(known, offered)
        assert {(path, kind): lines(view.of(kind)) for path, view in views.items() for kind in Kind} == after
        for path, kind in after:
            listing = views[path].of(kind)
            assert read_in_pages(listing, kind) == listing.items
            assert all(listing.route(entry.name) is entry.route for entry in listing.entries)
        changed = {key for key in before.keys() & after if [x[3] for x in before[key]] != [x[3] for x in after[key]]}
        assert {(path, kind) for changes in told for path, kinds in changes.items() for kind in kinds} == changed
        assert len(told) == bool(changed), "it is told once"
        told.clear()
