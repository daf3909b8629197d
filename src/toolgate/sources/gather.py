"""All sources that a document names, read and merged: the one answer to which servers there are."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from toolgate.config.model import Document, SourceEntry
from toolgate.model.server import Server
from toolgate.sources.base import Found, Problem, Skipped, Source, SourceReport
from toolgate.sources.client_files import ClientFiles
from toolgate.sources.clients import CLIENTS, user_file
from toolgate.sources.document import DocumentServers
from toolgate.sources.entry import Place, folder
from toolgate.sources.environment import ENVIRONMENT, EnvironmentServers
from toolgate.sources.merge import merge
from toolgate.sources.ourselves import REASON, is_toolgate
from toolgate.sources.variables import Variables

__all__ = ["Gathered", "gather"]


@dataclass(frozen=True, slots=True)
class Gathered:
    servers: tuple[Server, ...]
    reports: tuple[SourceReport, ...]
    problems: tuple[Problem, ...]
    files: tuple[Path, ...]


def gather(
    document: Document, path: Path | None, *, env: Mapping[str, str], home: Path, cwd: Path, platform: str
) -> Gathered:
    """`path` is the document's. Blocks; never raises for what others wrote."""
    sources = tuple(_sources(document, path, env=env, home=home, cwd=cwd, platform=platform))
    found = [(source.name, _without_ourselves(source.read(), document.host, document.port)) for source in sources]
    servers, reports = merge(found)
    return Gathered(
        servers,
        reports,
        tuple(problem for report in reports for problem in report.problems),
        tuple(file for _, reading in found for file in reading.files),
    )


def _sources(
    document: Document, path: Path | None, *, env: Mapping[str, str], home: Path, cwd: Path, platform: str
) -> Iterator[Source]:
    if path is not None:
        yield DocumentServers(document.servers, path, home, document.timeout, sandbox=document.sandbox, widen=True)
    base = path.absolute().parent if path is not None else cwd
    variables = Variables(home, windows=platform == "win32")
    profile = document.sandbox.profile(None, lambda text: folder(text, base, home))
    for entry in document.sources:
        place = Place(entry.name, entry.name, home, variables, document.timeout, profile)
        if entry.name == ENVIRONMENT:
            yield EnvironmentServers(env, replace(place, file=ENVIRONMENT, base=cwd))
        else:
            client = CLIENTS[entry.name]
            file = user_file(client, env, home, platform)
            yield ClientFiles(client, file, replace(place, file=str(file)), cwd, _project(entry, base, home))


def _project(entry: SourceEntry, base: Path, home: Path) -> Path | None:
    if entry.project is None:
        return None
    folder = Path(home, entry.project[2:]) if entry.project.startswith("~/") else base / entry.project
    return Path(os.path.normpath(folder))


def _without_ourselves(found: Found, host: str, port: int) -> Found:
    ours = [server for server in found.servers if is_toolgate(server.transport, host, port)]
    if not ours:
        return found
    skipped = tuple(Skipped(server.name, server.provenance.file, REASON) for server in ours)
    kept = tuple(server for server in found.servers if server not in ours)
    return replace(found, servers=kept, skipped=found.skipped + skipped)
