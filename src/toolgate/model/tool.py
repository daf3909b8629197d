"""What a server offers, as it said it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct

from toolgate.model.freshness import Freshness

__all__ = ["Catalogue", "Item", "Kind"]


class Kind(StrEnum):
    """The four lists. The value is the member of the list result that holds the items."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    TEMPLATES = "resourceTemplates"

    @property
    def method(self) -> str:
        return "resources/templates/list" if self is Kind.TEMPLATES else f"{self.value}/list"

    @property
    def key(self) -> str:
        """The member of an item that identifies it."""
        return {Kind.RESOURCES: "uri", Kind.TEMPLATES: "uriTemplate"}.get(self, "name")


class Item(Struct, frozen=True, gc=False):
    """One tool, prompt, resource or template: its name (or URI) and the JSON object that the server listed."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that one server offers, in the server's own order.

    `more` are the members of its list results and of its introduction that only it knows, as JSON objects by method.
    """

    items: Mapping[Kind, tuple[Item, ...]]
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    server_info: Mapping[str, Any] = field(default_factory=dict)
    instructions: str = ""
    more: Mapping[str, bytes] = field(default_factory=dict)
    freshness: Freshness = field(default_factory=Freshness, compare=False)

    def of(self, kind: Kind) -> tuple[Item, ...]:
        return self.items.get(kind, ())
