"""The official MCP registry, or one that speaks its API (v0.1): what it knows is found, shown, and made a card."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from toolgate.errors import ToolgateError
from toolgate.model.card import Card
from toolgate.sources.download import Undownloadable, download
from toolgate.sources.registry_entry import NoWay, card_of

__all__ = ["Entry", "Registry", "RegistryError"]

_PAGE: Final = 30
_PAGES: Final = 4
_LIMIT: Final = 4 * 2**20  # bytes of an answer
_TIMEOUT: Final = 15.0  # seconds of one
_KEPT: Final = 64  # answers
_FRESH: Final = 300.0  # seconds that one is kept
_META: Final = "io.modelcontextprotocol.registry/official"

Json = Mapping[str, Any]
Get = Callable[[str], Json]


class RegistryError(ToolgateError):
    """The registry does not answer, or not as its API says."""

    code = "registry-failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a server. `server` is its `server.json`."""

    server: Json
    status: str = "active"
    status_message: str = ""

    @property
    def name(self) -> str:
        return str(self.server.get("name", ""))

    @property
    def title(self) -> str:
        return str(self.server.get("title") or self.name)

    @property
    def version(self) -> str:
        return str(self.server.get("version", ""))

    @property
    def description(self) -> str:
        return str(self.server.get("description", ""))

    def has(self, words: Iterable[str]) -> bool:
        """`words` are in lower case."""
        text = f"{self.name} {self.title} {self.description}".lower()
        return all(word in text for word in words)

    def card(self) -> Card:
        """How it is installed. Raises `RegistryError` where there is no way that is known here."""
        try:
            return card_of(self.server)
        except NoWay as error:
            raise RegistryError(f"{self.name} cannot be installed: {error.reason}", hint=error.hint) from None


class Registry:
    """Blocks. Answers are kept for five minutes, at most 64 of them. Raises `RegistryError`."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url.rstrip("/")
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Json]] = OrderedDict()

    def search(self, words: str, most: int = _PAGE) -> list[Entry]:
        """The latest versions of the servers that have these words. The API looks at names, and for one text: the
        longest word is that, and the others may stand in titles and descriptions too."""
        wanted = words.lower().split()
        found: list[Entry] = []
        for page in self._pages(max(wanted, key=len, default="")):
            entries = (entry for item in page if (entry := _entry(item)) is not None)
            found += [entry for entry in entries if entry.status != "deleted" and entry.has(wanted)]
            if len(found) >= most:
                break
        return found[:most]

    def show(self, name: str, version: str = "latest") -> Entry:
        """One server, in a version or in its latest."""
        path = f"/v0.1/servers/{quote(name, safe='')}/versions/{quote(version, safe='')}"
        entry = _entry(self._get(path, f"{name} {version}"))
        if entry is None:
            raise RegistryError(f"what {self._url} says of {name} is not what its API says")
        return entry

    def _pages(self, words: str) -> Iterator[list[Any]]:
        cursor = ""
        for _ in range(_PAGES):
            query = {"search": words, "version": "latest", "limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
            answer = self._get(f"/v0.1/servers?{urlencode(query)}", words)
            servers = answer.get("servers")
            if not isinstance(servers, list):
                raise RegistryError(f"what {self._url} answers has no `servers`", hint="is this the API of a registry?")
            yield servers
            before, cursor = cursor, _cursor(answer)
            if not cursor or cursor == before:
                return

    def _get(self, path: str, what: str) -> Json:
        now = self._clock()
        kept = self._kept.get(path)
        if kept is not None and now - kept[0] < _FRESH:
            return kept[1]
        answer = self._asked(path, what)
        self._kept[path] = (now, answer)
        self._kept.move_to_end(path)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return answer

    def _asked(self, path: str, what: str) -> Json:
        try:
            got = download(self._url + path, limit=_LIMIT, timeout=_TIMEOUT, accept="application/json")
        except Undownloadable as error:
            hint = "the cards that are shipped need no network: `toolgate cards`"
            raise RegistryError(f"the registry cannot be asked: {error.reason}", hint=hint) from None
        if got.status == 404:
            raise RegistryError(f"the registry has no {what}", hint="`toolgate search WORDS` looks for others")
        if got.status != 200:
            raise RegistryError(f"the registry answered with HTTP {got.status}", hint="try it again later")
        try:
            answer = json.loads(got.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RegistryError(f"what {self._url} answers is not JSON", hint="is this the API of a registry?")
        return answer


def _cursor(answer: Json) -> str:
    metadata = answer.get("metadata")
    cursor = metadata.get("nextCursor") if isinstance(metadata, dict) else None
    return cursor if isinstance(cursor, str) else ""


def _entry(item: Any) -> Entry | None:
    server = item.get("server") if isinstance(item, dict) else None
    if not isinstance(server, dict) or not isinstance(server.get("name"), str):
        return None
    meta = (item.get("_meta") or {}).get(_META) if isinstance(item.get("_meta"), dict) else None
    status = meta if isinstance(meta, dict) else {}
    return Entry(server, str(status.get("status", "active")), str(status.get("statusMessage", "")))
