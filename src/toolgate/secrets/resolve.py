"""Templates → secrets: every reference is looked up once, and what comes out is not looked into again."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from toolgate.errors import SecretMissing
from toolgate.model.secretref import Reference, Secret, Template
from toolgate.secrets.base import SecretStore

__all__ = ["Resolver"]

INPUT: Final = "input"
"""`${input:id}` of VS Code, which asks a person there; here it is a name like any other."""


class Resolver:
    """`stores` in the order in which a name without a store is looked up."""

    def __init__(self, stores: Sequence[SecretStore]) -> None:
        self._stores = tuple(stores)

    def beside(self, store: SecretStore) -> "Resolver":
        """One that looks into another store after these."""
        return Resolver((*self._stores, store))

    async def resolve(self, template: Template, server: str = "") -> Secret:
        """The text with all references replaced. `server` is for the error: the server that the template belongs to.

        As in a shell, `${X}` takes an X that is set to nothing, and `${X:-d}` takes d for it. Raises `SecretMissing`.
        """
        found: dict[Reference, str] = {}
        for reference in dict.fromkeys(template.references):
            found[reference] = await self._value(reference, server)
        return template.resolve(found.__getitem__)

    async def _value(self, reference: Reference, server: str) -> str:
        if "${" in (reference.default or ""):
            raise SecretMissing(
                f"{_whose(server)}the default of {reference} has a reference in it, which is not looked up",
                hint="write a default without ${…}",
            )
        for name, stores in self._places(reference, server):
            for store in stores:
                secret = await store.get(Reference(name, store=reference.store, key=reference.key))
                if secret is not None and (secret or reference.default is None):
                    return secret.reveal()
                if secret is not None:
                    break  # set to nothing: the default, as a shell has it, not the next store
        if reference.default is not None:
            return reference.default
        raise SecretMissing(f"{_whose(server)}{reference} has no value", hint=self._hint(reference))

    def _places(self, reference: Reference, server: str) -> Iterable[tuple[str, Sequence[SecretStore]]]:
        """Which names to look for, and in which stores."""
        if not reference.store:
            return [(reference.name, self._stores)]
        if reference.store == INPUT:
            return [(name, self._stores) for name in dict.fromkeys((reference.name, _variable(reference.name)))]
        named = [store for store in self._stores if store.name == reference.store]
        if not named:
            known = ", ".join(store.name for store in self._stores)
            raise SecretMissing(f"{_whose(server)}{reference} names a store that is not known", hint=f"known: {known}")
        return [(reference.name, named)]

    def _hint(self, reference: Reference) -> str:
        if reference.store not in {"", INPUT}:
            return f"add {reference.name} to {reference.store}"
        name = _variable(reference.name) if reference.store else reference.name
        files = [str(path) for store in self._stores if (path := getattr(store, "path", None))]
        return " or in ".join([f"set {name} in the environment", *files])


def _variable(name: str) -> str:
    """`github-token` → `GITHUB_TOKEN`."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _whose(server: str) -> str:
    return f"{server}: " if server else ""
