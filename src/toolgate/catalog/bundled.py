"""From a bundle to the view of its endpoint."""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from typing import Any, Final

from toolgate.catalog.build import EVERYTHING, TOOLGATE, Steps
from toolgate.catalog.entries import renamed
from toolgate.catalog.snapshot import Entry, Listing, Part, View
from toolgate.catalog.virtual import Bundle, Pick
from toolgate.model.tool import Kind

__all__ = ["Bundled"]

_STEP: Final = 2_000  # names that are held against a pattern in a step


class Bundled:
    """One bundle, and what each of its patterns picks of each part of `/mcp`: a part is looked through once."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._picked = {kind: _Picked(kind, bundle.of(kind)) for kind in Kind if bundle.of(kind)}

    def view(self, whole: View) -> Steps[View]:
        """The part of `/mcp` that the bundle names, under the names that it gives."""
        listings: dict[Kind, Listing] = {}
        for kind, picked in self._picked.items():
            listings[kind] = yield from picked.of(whole.of(kind))
        serving = {entry.route.server for listing in listings.values() for entry in listing.index.values()}
        return View(
            listings=listings,
            servers=tuple(name for name in whole.servers if name in serving),
            capabilities=EVERYTHING,
            server_info={**TOOLGATE, "title": self.bundle.name},
            freshness=whole.freshness,  # of those that it has nothing of, too: they may come to have what it picks
        )


class _Picked:
    """What is picked of one kind."""

    def __init__(self, kind: Kind, picks: Sequence[Pick]) -> None:
        self._kind = kind
        self._picks = picks
        self._match: list[Callable[[str], Any]] = [re.compile(translate(pick.pattern)).match for pick in picks]
        # By the identity of a part, which stays what it is as long as the part is held here.
        self._known: Mapping[int, tuple[Part, list[list[Entry]]]] = {}

    def of(self, listing: Listing) -> Steps[Listing]:
        before, known = self._known, {}
        looked = 0
        for part in listing.parts:
            found = before.get(id(part))
            if found is None:
                found = part, [[entry for name, entry in part.items() if match(name)] for match in self._match]
                looked += len(part) * len(self._match)
            known[id(part)] = found
            if looked >= _STEP:
                looked = 0
                yield
        self._known = known
        return self._joined(known)

    def _joined(self, known: Mapping[int, tuple[Part, list[list[Entry]]]]) -> Listing:
        """In the order of the picks, then of `/mcp`. Of two with one name the first stays."""
        picked: dict[str, Entry] = {}
        for at, pick in enumerate(self._picks):
            for _, found in known.values():
                for entry in found[at]:
                    name = pick.name or entry.name
                    if name not in picked:
                        picked[name] = renamed(entry, self._kind, name) if pick.name else entry
        return Listing.of((picked,), picked)
