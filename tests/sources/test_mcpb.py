import io
import json
import os
import stat
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.sources.registry_double import registry_double
from toolgate.config.model import ServerEntry
from toolgate.sources import bundle_zip
from toolgate.sources.bundle_zip import HostileBundle, unpack
from toolgate.sources.mcpb import BundleError, installed

MANIFEST: dict[str, Any] = {
    "manifest_version": "0.3",
    "name": "Notes",
    "display_name": "Notes",
    "version": "1.0.0",
    "description": "Notes in a folder",
    "author": {"name": "nobody"},
    "server": {
        "type": "node",
        "entry_point": "server/index.js",
        "mcp_config": {
            "command": "node",
            "args": [
                "${__dirname}/server/index.js", "server/index.js",
                "--size=${user_config.size}", "${user_config.folders}",
            ],
            "env": {"KEY": "${user_config.key}", "SAFE": "${user_config.safe}"},
            "platform_overrides": {"darwin": {"env": {"DARWIN": "1"}}, "win32": {"command": "node.exe"}},
        },
    },
    "tools": [{"name": "search"}],
    "user_config": {
        "folders": {
            "type": "directory", "title": "Folders", "multiple": True, "required": True, "default": ["${HOME}/Desktop"],
        },
        "unused": {"type": "string", "title": "Of no use"},
        "key": {"type": "string", "title": "Key", "sensitive": True, "required": False},
        "safe": {"type": "boolean", "title": "Safe", "default": True},
        "size": {"type": "number", "title": "Size", "default": 10, "min": 1},
    },
}  # fmt: skip


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return content.getvalue()


def bundle(manifest: Any = MANIFEST, *files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    return zipped(("manifest.json", json.dumps(manifest).encode()), ("server/index.js", b"//"), *files)


def info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def put(folder: Path, content: bytes) -> tuple[str, str]:
    file = folder / "notes.mcpb"
    file.write_bytes(content)
    return str(file), sha256(content).hexdigest()


def test_a_bundle_becomes_a_card_and_read_only_files(tmp_path: Path) -> None:
    where, digest = put(tmp_path, bundle(MANIFEST, (info("bin/run", stat.S_IFREG | 0o755), b"#!")))
    card = installed(where, digest, tmp_path / "state", "linux")
    folder = tmp_path / "state" / "bundles" / digest
    assert (card.name, card.tools) == ("mcpb.notes", ("search",))
    assert {entry.name: (entry.kind.value, entry.required, entry.several, entry.default) for entry in card.inputs} == {
        "folders": ("path", True, True, "~/Desktop"),
        "key": ("secret", False, False, None),
        "safe": ("choice", False, False, "true"),
        "size": ("text", False, False, "10"),
        "network-hosts": ("text", False, True, None),
    }
    filled = card.filled({"folders": ["/a", "/b"], "key": "${KEY}"})
    assert filled == {
        "command": "node",
        "args": [f"{folder}/server/index.js", f"{folder}/server/index.js", "--size=10", "/a", "/b"],
        "env": {"KEY": "${KEY}", "SAFE": "true"},
        "sandbox": {
            "mounts": [{"path": str(folder)}, {"path": "/a", "writable": True}, {"path": "/b", "writable": True}],
            "network": [],
        },
    }
    assert ServerEntry.model_validate(filled).transport is not None
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {"manifest.json": 0o444, "server": 0o555, "index.js": 0o444, "bin": 0o555, "run": 0o555}


def test_what_is_there_already_is_not_fetched_again(tmp_path: Path) -> None:
    where, digest = put(tmp_path, bundle())
    installed(where, digest, tmp_path, "linux")
    os.remove(where)
    assert installed(where, digest.upper(), tmp_path, "linux").name == "mcpb.notes"


def test_a_bundle_is_fetched_from_an_address(tmp_path: Path) -> None:
    content = bundle()
    with registry_double([]) as double:
        double.answer = (200, content, {})
        card = installed(f"{double.url}/notes.mcpb?x=1", sha256(content).hexdigest(), tmp_path, "linux")
        assert card.title == "Notes"
        double.answer = (404, b"", {})
        with pytest.raises(BundleError, match="HTTP 404"):
            installed(f"{double.url}/notes.mcpb", "0" * 64, tmp_path, "linux")


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64])
def test_a_bundle_without_a_digest_is_not_used(tmp_path: Path, digest: str) -> None:
    where, _ = put(tmp_path, bundle())
    with pytest.raises(BundleError, match="needs its SHA-256"):
        installed(where, digest, tmp_path, "linux")


def test_another_bundle_than_the_one_that_was_meant_leaves_nothing(tmp_path: Path) -> None:
    where, digest = put(tmp_path, bundle())
    with pytest.raises(BundleError, match=f"its SHA-256 is {digest}"):
        installed(where, "0" * 64, tmp_path / "state", "linux")
    assert not (tmp_path / "state").exists()


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no file"):
        installed(str(tmp_path / "none.mcpb"), "0" * 64, tmp_path, "linux")
    with pytest.raises(BundleError, match="cannot be fetched"):
        installed("http://192.0.2.1/x.mcpb", "0" * 64, tmp_path, "linux")


def test_the_files_of_a_platform_are_those_of_its_overrides(tmp_path: Path) -> None:
    where, digest = put(tmp_path, bundle())
    assert installed(where, digest, tmp_path, "darwin").server["env"]["DARWIN"] == "1"
    assert installed(where, digest, tmp_path, "win32").server["command"] == "node.exe"


def test_a_binary_is_the_bundles_own(tmp_path: Path) -> None:
    server = {"type": "binary", "entry_point": "server/run", "mcp_config": {"command": "server/run", "args": []}}
    where, digest = put(tmp_path, bundle({**MANIFEST, "server": server, "user_config": {}}))
    assert installed(where, digest, tmp_path, "linux").server["command"] == f"{tmp_path}/bundles/{digest}/server/run"


def broken(**more: Any) -> dict[str, Any]:
    return {**MANIFEST, **more}


def config(**more: Any) -> dict[str, Any]:
    return {"type": "node", "mcp_config": {"command": "node", **more}}


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (broken(manifest_version="9.9"), "a version that is not known"),
        (broken(manifest_version=None), "a version that is not known"),
        (broken(compatibility={"platforms": ["win32"]}), "it is for win32"),
        (broken(server={"type": "perl"}), "a type that is not known"),
        (broken(server={"type": "node"}), "does not say how its server is started"),
        (broken(server=config(args=["${AWS_SECRET_ACCESS_KEY}"])), "asks for"),
        (broken(server=config(env={"A": "${vault:other}"})), "asks for"),
        (broken(server=config(args=["${user_config.none}"])), "asks for"),
        (broken(server=config(args=["{{key}}"])), "has {{ in it"),
        (broken(server=config(args=["${user_config.key}"])), "the secret `key` may stand"),
        (broken(user_config={"a b": {}}), "no usable name"),
        (broken(description=""), "description"),
        ([], "is no object"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, manifest: Any, reason: str) -> None:
    where, digest = put(tmp_path, bundle(manifest))
    with pytest.raises(BundleError, match=reason):
        installed(where, digest, tmp_path, "linux")


@pytest.mark.parametrize("content", [b"", b"no zip", zipped(("other.json", b"{}")), zipped(("manifest.json", b"{"))])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    where, digest = put(tmp_path, content)
    with pytest.raises(BundleError):
        installed(where, digest, tmp_path, "linux")
    assert not list(tmp_path.glob("bundles/.unpacking-*"))


HOSTILE = {
    "leaves": [("../evil", b"x")],
    "leaves inside": [("a/../../evil", b"x")],
    "absolute": [("/etc/evil", b"x")],
    "drive": [("C:/evil", b"x")],
    "backslash": [("..\\evil", b"x")],
    "dots": [("a/./b", b"x")],
    "nothing between": [("a//b", b"x")],
    "stream": [("a:b", b"x")],
    "device": [("a/con.txt", b"x")],
    "trailing dot": [("a./b", b"x")],
    "link": [(info("link", stat.S_IFLNK | 0o777), b"/etc/passwd")],
    "pipe": [(info("pipe", stat.S_IFIFO | 0o666), b"")],
    "device node": [(info("node", stat.S_IFCHR | 0o666), b"")],
    "same but for case": [("a/B", b"x"), ("A/b", b"y")],
    "a file and a folder": [("a", b"x"), ("a/b", b"y")],
    "control character": [("a\x1b[2J", b"x")],
    "too long": [("a" * 2000, b"x")],
    "bomb": [("zeros", b"\0" * (30 * 2**20))],
}


@pytest.mark.parametrize("files", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_zip_is_refused(tmp_path: Path, files: list[tuple[str | zipfile.ZipInfo, bytes]]) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises((HostileBundle, OSError)):
        unpack(zipped(*files), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_a_hostile_bundle_leaves_nothing(tmp_path: Path) -> None:
    where, digest = put(tmp_path, bundle(MANIFEST, ("a", b"x"), ("a/b", b"y")))
    with pytest.raises(BundleError):
        installed(where, digest, tmp_path, "linux")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_sizes_are_counted_as_files_are_written(tmp_path: Path) -> None:
    """The sizes in the directory of an archive are what its maker wrote there."""
    content = bytearray(zipped(("a", b"x" * 5000)))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    with pytest.raises(HostileBundle):
        unpack(bytes(content), tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("MOST_FILES", 3, "more than 3 files"),
        ("LARGEST", 100, "is larger than"),
        ("LARGEST_FILE", 10, "would grow too large"),
    ],
)
def test_there_is_a_limit_to_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int, reason: str
) -> None:
    monkeypatch.setattr(bundle_zip, name, value)
    with pytest.raises(HostileBundle, match=reason):
        unpack(zipped(*((f"{number}", b"x" * 60) for number in range(4))), tmp_path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b"x")))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    with pytest.raises(HostileBundle, match="encrypted"):
        unpack(bytes(content), tmp_path)
