"""The gateway's own environment as a store."""

from collections.abc import Mapping

from toolgate.model.secretref import Reference, Secret

__all__ = ["EnvironmentStore"]


class EnvironmentStore:
    name = "environment"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def get(self, reference: Reference) -> Secret | None:
        value = self._env.get(reference.name)
        return None if value is None else Secret(value)

    async def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._env))
