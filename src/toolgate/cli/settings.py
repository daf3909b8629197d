"""Where the commands find the configuration and the state folder."""

import os
from collections.abc import Mapping
from pathlib import Path

from toolgate.config.load import Loaded, find, load, read_document
from toolgate.config.model import Document
from toolgate.store.folder import state_folder

__all__ = ["Settings"]


class Settings:
    """`config` is what `--config` says. The environment and the folder are those of this process."""

    def __init__(self, config: Path | None = None, overrides: Mapping[str, str] | None = None) -> None:
        self.env = {**os.environ, **(overrides or {})}
        self.cwd = Path.cwd()
        self._config = config

    @property
    def state(self) -> Path:
        return state_folder(self.env)

    @property
    def path(self) -> Path | None:
        """The document, which may have appeared since the last look."""
        return find(self._config, self.cwd, self.env)

    def read(self) -> Loaded:
        """All that says which servers there are. Raises `ConfigError`."""
        return load(self.path, env=self.env, home=Path.home(), cwd=self.cwd)

    def document(self) -> Document:
        """The document alone. Raises `ConfigError`."""
        return read_document(self.path, self.env)
