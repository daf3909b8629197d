"""Variables in clients' files: what a client would put in, put in; what names a secret, made a reference of ours."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["UnknownVariable", "Variables"]

_VARIABLE: Final = re.compile(r"\$\{([^${}]*)\}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?::-.*)?", re.DOTALL)
# Known only to an editor, while it is open. Left alone they would look like references to secrets of these names.
_OF_EDITORS: Final = re.compile(
    r"(?:command|config|extensionInstallFolder|workspaceFolder):.*|file(?:Basename|BasenameNoExtension|Dirname"
    r"|Extname|WorkspaceFolder|DirnameBasename)?|relativeFile(?:Dirname)?|lineNumber|columnNumber|selectedText"
    r"|execPath|defaultBuildTask|cwd"
)


class UnknownVariable(Exception):
    """`reason` names the variable and says why it has no value here."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Variables:
    """`workspace` is the project's folder where a project's file is read."""

    home: Path
    workspace: Path | None = None
    windows: bool = os.name == "nt"

    def substitute(self, text: str) -> str:
        """`${userHome}` and its kind replaced, `${env:X}` → `${X}`; `${X}`, `${X:-d}` and `${input:id}` stay.

        Raises `UnknownVariable` for one that only an editor can fill in.
        """
        return _VARIABLE.sub(lambda match: self._value(match[1], match[0]), text) if "${" in text else text

    def _value(self, name: str, written: str) -> str:
        if name.startswith("env:"):
            variable = name.removeprefix("env:")
            # ${env:ProgramFiles(x86)} is no name of ours, so the store is named.
            return f"${{{variable}}}" if _IDENTIFIER.fullmatch(variable) else f"${{environment:{variable}}}"
        if name == "userHome":
            return str(self.home)
        if name in {"pathSeparator", "/"}:
            return "\\" if self.windows else "/"
        if name in {"workspaceFolder", "workspaceFolderBasename"}:
            return self._workspace(name, written)
        if _OF_EDITORS.fullmatch(name):
            raise UnknownVariable(f"{written} is known only to the editor")
        return written

    def _workspace(self, name: str, written: str) -> str:
        if self.workspace is None:
            raise UnknownVariable(f"{written} is known only inside a project")
        return str(self.workspace) if name == "workspaceFolder" else self.workspace.name
