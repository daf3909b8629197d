"""Signing in to an API with the definition's `auth` (OpenAPI 3.1.1, 4.8.27 and 4.8.30)."""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from openapi_pydantic.v3 import v3_1
from pydantic import ValidationError

from toolgate.errors import StartFailed
from toolgate.upstream.openapi.schemas import Schemas, Unusable

__all__ = ["NO_SIGNATURE", "Credentials", "Signature"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_TOKENS: Final = frozenset({"oauth2", "openIdConnect"})


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request carries to be let in. `query` holds encoded pairs."""

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Signature()"

    def __add__(self, other: "Signature") -> "Signature":
        return Signature(self.headers + other.headers, self.query + other.query, self.cookies + other.cookies)


NO_SIGNATURE: Final = Signature()


class Credentials:
    """`given` are texts by the names of schemes. Raises `StartFailed` where a name is no scheme, or the credential not
    what its scheme takes."""

    def __init__(self, written: Mapping[str, Any], given: Mapping[str, str], schemas: Schemas) -> None:
        known = ", ".join(sorted(map(str, written))[:20]) or "none"
        self._signatures: dict[str, Signature] = {}
        for name, text in given.items():
            if name not in written:
                raise StartFailed(
                    f"has a credential for {name!r} in `auth`, and its description knows no such scheme",
                    hint=f"the description's are: {known}",
                )
            self._signatures[name] = _signature(name, _scheme(name, written[name], schemas), text)

    @property
    def header_names(self) -> frozenset[str]:
        """What the arguments of no tool set."""
        return frozenset(name for signature in self._signatures.values() for name, _ in signature.headers)

    def of(self, ways: Iterable[tuple[str, ...]]) -> Signature:
        """For the first of the ways that we have all credentials for. Where there is none the API says what it
        misses, unless the definition's headers are enough for it."""
        for names in ways:
            if all(name in self._signatures for name in names):
                return sum((self._signatures[name] for name in names), NO_SIGNATURE)
        return NO_SIGNATURE


def _scheme(name: str, written: Any, schemas: Schemas) -> v3_1.SecurityScheme:
    try:
        return v3_1.SecurityScheme.model_validate(schemas.resolved(written))
    except (ValidationError, Unusable):
        raise StartFailed(f"its description does not say how the scheme {name!r} signs in") from None


def _signature(name: str, scheme: v3_1.SecurityScheme, text: str) -> Signature:
    if scheme.type == "apiKey" and scheme.name:
        if scheme.security_scheme_in == "header" and _TOKEN.fullmatch(scheme.name):
            return Signature(headers=((scheme.name, text),))
        pair = f"{quote(scheme.name, safe='')}={quote(text, safe='')}"
        if scheme.security_scheme_in == "cookie":
            return Signature(cookies=(pair,))
        if scheme.security_scheme_in == "query":
            return Signature(query=(pair,))
    kind = (scheme.scheme or "").lower()
    if scheme.type == "http" and kind == "basic":
        if ":" not in text:
            raise StartFailed(f"the credential {name!r} in `auth` should read user:password")
        return _authorization(f"Basic {base64.b64encode(text.encode()).decode()}")
    if scheme.type in _TOKENS or (scheme.type == "http" and kind == "bearer"):
        return _authorization(f"Bearer {text}")
    if scheme.type == "http" and scheme.scheme and _TOKEN.fullmatch(scheme.scheme):
        return _authorization(f"{scheme.scheme} {text}")
    raise StartFailed(f"the scheme {name!r} signs in by {scheme.type}, which `auth` cannot do", hint="use `headers`")


def _authorization(value: str) -> Signature:
    return Signature(headers=(("Authorization", value),))
