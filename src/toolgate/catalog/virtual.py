"""A virtual server: a named bundle of tools, prompts and resources from several servers."""

from collections.abc import Mapping
from dataclasses import dataclass

from toolgate.model.tool import Kind

__all__ = ["Bundle", "Pick"]


@dataclass(frozen=True, slots=True)
class Pick:
    """`pattern` is a glob over the names on `/mcp`; `name` renames the one thing that it matches."""

    pattern: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    name: str
    picks: Mapping[Kind, tuple[Pick, ...]]

    def of(self, kind: Kind) -> tuple[Pick, ...]:
        """Templates are picked by the same patterns as resources."""
        return self.picks.get(Kind.RESOURCES if kind is Kind.TEMPLATES else kind, ())
