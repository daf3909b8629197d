"""An OpenAPI description, read."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from toolgate.errors import StartFailed

__all__ = ["Description", "read"]

_LARGEST_YAML: Final = 4 * 2**20  # bytes; reading one megabyte takes about 2 s
_JSON_INSTEAD: Final = "give it as JSON, which is read a hundred times as fast"


@dataclass(frozen=True, slots=True)
class Description:
    """`old`: of OpenAPI 3.0, else of 3.1 or later."""

    document: Mapping[str, Any]
    old: bool

    @property
    def paths(self) -> Mapping[str, Any]:
        return _mapping(self.document.get("paths"))

    @property
    def info(self) -> Mapping[str, Any]:
        return _mapping(self.document.get("info"))

    @property
    def schemes(self) -> Mapping[str, Any]:
        return _mapping(_mapping(self.document.get("components")).get("securitySchemes"))


def read(text: bytes) -> Description:
    """JSON or YAML. Takes its time, so not on the event loop. Raises `StartFailed`."""
    document = _decoded(text)
    if not isinstance(document, Mapping):
        raise StartFailed("its OpenAPI description is not an object", hint="check its address")
    if "swagger" in document:
        raise StartFailed(
            f"its description is of Swagger {str(document['swagger'])[:10]}, which is not read",
            hint="convert it to OpenAPI 3, for instance with `npx swagger2openapi`",
        )
    version = str(document.get("openapi", ""))
    if not version.startswith("3."):
        said = f"OpenAPI {version[:20]!r}" if version else "no version of OpenAPI"
        raise StartFailed(f"its description names {said}; 3.0 and 3.1 are read", hint="check its address")
    if not isinstance(document.get("paths"), Mapping):
        raise StartFailed("its OpenAPI description has no paths, so there is nothing to call")
    return Description(document, version.startswith("3.0"))


def _decoded(text: bytes) -> Any:
    if text.lstrip()[:1] == b"{":
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if text.lstrip()[1:].lstrip()[:1] == b'"':
                raise StartFailed(f"its OpenAPI description is not JSON: {str(error)[:200]}") from None
    if text.lstrip()[:1] == b"<":
        raise StartFailed(
            "its OpenAPI description is a web page", hint="the description itself is often at /openapi.json"
        )
    if len(text) > _LARGEST_YAML:
        raise StartFailed(f"its OpenAPI description is YAML of more than {_LARGEST_YAML} bytes", hint=_JSON_INSTEAD)
    try:
        return YAML(typ="safe", pure=True).load(io.BytesIO(text))
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise StartFailed(f"its OpenAPI description is neither JSON nor YAML{place}") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
