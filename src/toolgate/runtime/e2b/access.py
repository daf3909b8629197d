"""How E2B is reached: whose key, and where."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

__all__ = ["KEY", "Access"]

KEY: Final = "E2B_API_KEY"


@dataclass(frozen=True, slots=True)
class Access:
    """Where something is None the SDK reads `E2B_API_URL`, `E2B_SANDBOX_URL`, `E2B_HTTP_VERSION` and `E2B_DOMAIN`."""

    key: str = field(repr=False)
    api_url: str | None = None
    sandbox_url: str | None = None
    http_version: Literal["1.1", "2"] | None = None
    answer: float = 30.0
    """Seconds that the service has for one answer, with what the SDK tries again by itself."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        return cls(environment.get(KEY, ""))
