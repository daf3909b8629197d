"""The servers that this person's MCP clients have in their files.

Only the user's own files are read unasked. A project's file (`.mcp.json`, `.cursor/mcp.json`, `.vscode/mcp.json`) comes
with the repository, so reading it means running what whoever wrote that repository names. It is read only where the
configuration says so: `sources: [{claude-code: {project: .}}]`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from toolgate.config.files import Unreadable, read_text
from toolgate.model.names import server_name
from toolgate.model.server import Server
from toolgate.sources.base import Found, Problem, Skipped
from toolgate.sources.clients import Client
from toolgate.sources.entry import BrokenEntry, LeftOut, Place, ignored_fields, read_entry
from toolgate.sources.jsonc import Jsonc, JsoncError, parse
from toolgate.sources.jsonc import Path as Location

__all__ = ["ClientFiles"]

MAX_BYTES: Final = 10 * 2**20  # the file of Claude Code holds a history too, and grows


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """`user` is the person's file; `project` a folder whose project file is to be read too; `cwd` the folder for
    which `~/.claude.json` may have servers of its own. `place` is that of the user's file."""

    client: Client
    user: Path
    place: Place
    cwd: Path
    project: Path | None = None

    @property
    def name(self) -> str:
        return self.client.name

    def read(self) -> Found:
        """What is meant for fewer folders comes first, as the clients themselves have it: folder, project, user."""
        user = _File(self.user, self.place)
        files = [user]
        if self.client.per_folder:
            user.take(lambda content: _folder_root(content, self.project or self.cwd))
        if self.project is not None and self.client.project:
            project = _File(self.project / self.client.project, self._project_place(self.project))
            project.take(lambda _: (self.client.root,))
            files.append(project)
            shared = project.servers
        else:
            shared = []
        own = len(user.servers)
        user.take(lambda _: (self.client.root,))
        return Found(
            servers=(*user.servers[:own], *shared, *user.servers[own:]),
            problems=tuple(problem for file in files for problem in file.problems()),
            files=tuple(file.path for file in files),
            skipped=tuple(skipped for file in files for skipped in file.skipped),
        )

    def _project_place(self, folder: Path) -> Place:
        return replace(
            self.place,
            file=str(folder / self.client.project),
            base=folder,
            variables=replace(self.place.variables, workspace=folder),
        )


@dataclass(slots=True)
class _File:
    """One file being read. Problems are kept with their location, and get their lines at the end, all at once."""

    path: Path
    place: Place
    servers: list[Server] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    _content: Jsonc | None = None
    _broken: Problem | None = None
    _faults: list[tuple[Location, str, str]] = field(default_factory=list)
    _read: bool = False

    def take(self, root: Callable[[Mapping[str, Any]], Location]) -> None:
        """Take the servers that stand at `root`, which is found in the content of the file."""
        self._open()
        if self._content is None:
            return
        content = self._content.value
        if not isinstance(content, dict):
            self._broken = Problem(str(self.path), 1, "", "should be an object")
            return
        at = root(content)
        found: Any = content
        for key in at:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            self._take_all(found, at)
        elif found is not None:
            self._faults.append((at, ".".join(map(str, at)), "should be an object"))

    def problems(self) -> tuple[Problem, ...]:
        if self._broken is not None:
            return (self._broken,)
        if self._content is None or not self._faults:
            return ()
        # What is missing is reported on the line of the entry that lacks it.
        lines = self._content.lines(place for at, _, _ in self._faults for place in (at, at[:-1]))
        faults = ((lines.get(at) or lines.get(at[:-1], 0), what, reason) for at, what, reason in self._faults)
        return tuple(Problem(str(self.path), line, what, reason) for line, what, reason in sorted(faults))

    def _open(self) -> None:
        if self._read:
            return
        self._read = True
        try:
            text = read_text(self.path, MAX_BYTES)
            # Some clients leave an empty file behind, which they themselves take as no servers.
            self._content = parse(text) if text.strip() else None
        except Unreadable as error:
            if not error.missing:
                self._broken = Problem(str(self.path), error.line, "", error.reason)
        except JsoncError as error:
            self._broken = Problem(str(self.path), error.line, "", error.reason)

    def _take_all(self, entries: dict[str, Any], at: Location) -> None:
        if self._content is None:
            return
        for label in self._content.repeated(entries):
            self._faults.append(((*at, label), label, "is written twice; the last one is used"))
        for label, entry in entries.items():
            try:
                self.servers.append(read_entry(label, entry, self.place))
            except LeftOut as left:
                self.skipped.append(Skipped(server_name(label), str(self.path), left.reason))
                continue
            except BrokenEntry as error:
                what = f"{label}.{error.field}" if error.field else label
                self._faults.append((self._location((*at, label), error.field), what, error.reason))
                continue
            self._faults.extend(
                ((*at, label, name), f"{label}.{name}", reason) for name, reason in ignored_fields(entry)
            )

    @staticmethod
    def _location(entry: Location, what: str) -> Location:
        """`args[0]` and `env.TOKEN` are reported on the line of `args` and `env`."""
        top = what.partition(".")[0].partition("[")[0]
        return (*entry, top) if top else entry


def _folder_root(content: Mapping[str, Any], folder: Path) -> Location:
    """Claude Code names folders with forward slashes on Windows too."""
    projects = content.get("projects")
    names = (str(folder), folder.as_posix())
    known = projects if isinstance(projects, dict) else {}
    return ("projects", next((name for name in names if name in known), names[0]), "mcpServers")
