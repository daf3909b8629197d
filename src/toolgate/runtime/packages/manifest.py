"""What stands beside an installed package: what it is, where it came from, and what must still be true of it."""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["MANIFEST", "Manifest", "Part", "Program", "digest_of", "read", "write"]

MANIFEST: Final = "installed.json"


class Part(msgspec.Struct, frozen=True):
    """One package of those that were installed. `integrity` is the registry's: `sha512-…` or `sha256:…`."""

    name: str
    version: str
    integrity: str


class Program(msgspec.Struct, frozen=True):
    """`command` and `arguments` start it; those that begin with `./` are files of the folder. `entry` is the file
    whose digest is looked at before each start, `path` the folder that goes in front of PATH."""

    command: str
    arguments: tuple[str, ...]
    entry: str
    sha256: str
    path: str


class Manifest(msgspec.Struct, frozen=True):
    ecosystem: str
    spec: str
    extra: tuple[str, ...]
    name: str
    version: str
    runtime: str
    platform: str
    hosts: tuple[str, ...]
    parts: tuple[Part, ...]
    program: Program
    remarks: tuple[str, ...] = ()
    """What whoever starts it should know, such as install scripts that were not run."""

    @property
    def content(self) -> str:
        """The name of the folder: the same for the same packages in the same place, however they were asked for."""
        parts = sorted((part.name, part.version, part.integrity) for part in self.parts)
        return digest_of(self.ecosystem, self.runtime, self.platform, self.program, parts)


def digest_of(*facts: object) -> str:
    """A name for a file: 32 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:32]


def read(folder: Path) -> Manifest | None:
    """None where there is no whole install, or where its entry point is not what was installed."""
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(raw, type=Manifest)
        entry = (folder / manifest.program.entry).read_bytes()
    except (OSError, msgspec.DecodeError):
        return None
    return manifest if hashlib.sha256(entry).hexdigest() == manifest.program.sha256 else None


def write(folder: Path, manifest: Manifest) -> None:
    """The last file of an install."""
    with (folder / MANIFEST).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)))
        file.flush()
        os.fsync(file.fileno())
