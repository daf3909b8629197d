"""Reading all that says which servers there are: `toolgate.yaml`, the environment, and the sources it names.

This is where the document meets the sources and the stores, and the only place where this room looks up to theirs.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path
from pydantic import ValidationError

from toolgate.config.explain import ENVIRONMENT, explain
from toolgate.config.files import Unreadable, read_text
from toolgate.config.model import Document
from toolgate.config.overrides import apply, misspelt
from toolgate.config.reader import Location, Parsed, parse
from toolgate.errors import ConfigError
from toolgate.model.server import Server
from toolgate.secrets.dotenv import DotenvStore
from toolgate.secrets.environment import EnvironmentStore
from toolgate.secrets.resolve import Resolver
from toolgate.sources.base import Problem, SourceReport
from toolgate.sources.gather import gather

__all__ = ["FILE_NAME", "Loaded", "dotenv_path", "find", "load", "parse_document", "read_document", "schema"]

FILE_NAME: Final = "toolgate.yaml"
MAX_BYTES: Final = 2**20

_LITERAL: Final = re.compile(r"command|args|env|url|headers|cwd")


@dataclass(frozen=True, slots=True)
class Loaded:
    """One consistent reading. `watched` are the files whose change asks for another, also those not there yet.

    `problems` are all that a person should hear of and that did not stop the loading, the sources' own included.
    `resolver` looks references up in the environment, then in the document's `.env`.
    """

    document: Document
    path: Path | None
    servers: tuple[Server, ...]
    reports: tuple[SourceReport, ...]
    problems: tuple[Problem, ...]
    watched: tuple[Path, ...]
    resolver: Resolver


def find(explicit: Path | None, cwd: Path, env: Mapping[str, str]) -> Path | None:
    """The document to read: the one asked for, `$TOOLGATE_CONFIG`, `./toolgate.yaml`, or the user's; else None.

    One that was asked for is answered whether or not it exists: `load` then says that it does not.
    """
    if explicit is not None:
        return cwd / explicit.expanduser()
    if named := env.get("TOOLGATE_CONFIG"):
        return cwd / Path(named).expanduser()
    return next((path for path in _candidates(cwd, env) if path.exists() or path.is_symlink()), None)


def load(path: Path | None, *, env: Mapping[str, str], home: Path, cwd: Path, platform: str = sys.platform) -> Loaded:
    """Read the document (defaults where `path` is None) and everything that it names. Blocks; for a thread.

    Raises `ConfigError` for a document that cannot be used. A source that cannot be read is a problem, not an error.
    """
    document = read_document(path, env)
    found = gather(document, path, env=env, home=home, cwd=cwd, platform=platform)
    spelling = tuple(
        Problem(ENVIRONMENT, 0, name, f"there is no such setting; did you mean {meant}?")
        for name, meant in misspelt(env).items()
    )
    candidates = _candidates(cwd, env)
    documents = candidates if path is None or path in candidates else (path,)
    dotenv = dotenv_path(path, cwd)
    return Loaded(
        document=document,
        path=path,
        servers=found.servers,
        reports=found.reports,
        problems=spelling + found.problems,
        watched=tuple(dict.fromkeys((*documents, dotenv, *found.files))),
        resolver=Resolver((EnvironmentStore(env), DotenvStore(dotenv))),
    )


def read_document(path: Path | None, env: Mapping[str, str]) -> Document:
    """The document alone, with the overrides of the environment. Raises `ConfigError`."""
    parsed = _parsed(path) if path is not None else Parsed({"version": 1})
    data, origins = apply(parsed.data, env)
    try:
        return Document.model_validate(data)
    except ValidationError as error:
        raise explain(error, Document, parsed, str(path) if path else ENVIRONMENT, origins) from None


def parse_document(text: str, file: str) -> Parsed:
    """The text of a document as data, not validated yet. Raises `ConfigError`."""
    parsed = parse(text, file, verbatim=_is_literal)
    if parsed.data is None:
        # An editor that empties a file before it writes it must not take every server down.
        raise ConfigError("the file is empty", file=file, hint="begin it with `version: 1`")
    if not isinstance(parsed.data, dict):
        raise ConfigError("should be a mapping of settings", file=file, line=1, hint="begin it with `version: 1`")
    if "mcpServers" in parsed.data:
        raise ConfigError(
            "servers stand under `servers` here",
            file=file,
            line=parsed.line(("mcpServers",)),
            field="mcpServers",
            hint="rename the key to `servers`",
        )
    return parsed


def dotenv_path(path: Path | None, cwd: Path) -> Path:
    """The `.env` that goes with a document: beside it, or in the current folder where there is none."""
    return (path.parent if path is not None else cwd) / ".env"


def schema() -> dict[str, Any]:
    """The JSON Schema of the document, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema(by_alias=True)}


def _candidates(cwd: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    folder = env.get("XDG_CONFIG_HOME")
    user = Path(folder) / "toolgate" if folder else user_config_path("toolgate", appauthor=False)
    return (cwd / FILE_NAME, user / FILE_NAME)


def _parsed(path: Path) -> Parsed:
    try:
        text = read_text(path, MAX_BYTES)
    except Unreadable as error:
        raise ConfigError(error.reason, file=str(path), line=error.line) from None
    return parse_document(text, str(path))


def _is_literal(location: Location) -> bool:
    """What goes to a server as it is written: `env: {PIN: 0123}` is not the number 83."""
    return len(location) > 2 and location[0] == "servers" and bool(_LITERAL.fullmatch(str(location[2])))
