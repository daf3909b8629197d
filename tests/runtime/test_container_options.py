"""What of a `docker run` in a definition holds, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch
from toolgate.runtime.container_options import Image, Volume, image_of


def read(*words: str, **environment: str) -> Image:
    image = image_of(Launch("docker", ("run", *words), environment))
    assert image is not None
    return image


def test_what_vendors_write_is_understood() -> None:
    image = read("-i", "--rm", "-e", "TOKEN", "--name=x", "ghcr.io/acme/server:1.2", "stdio", "--read-only", TOKEN="t")
    assert image == Image("ghcr.io/acme/server:1.2", ("stdio", "--read-only"), {"TOKEN": "t"})


def test_letters_may_stand_together() -> None:
    assert read("-it", "--init", "acme").name == "acme"


def test_the_words_of_newer_engines_are_understood() -> None:
    image = image_of(Launch("/usr/bin/podman", ("container", "run", "-i", "acme", "x")))
    assert image == Image("acme", ("x",))


@pytest.mark.parametrize(
    "launch",
    [
        Launch("docker", ("compose", "up")),
        Launch("docker", ("exec", "-i", "box", "server")),
        Launch("node", ("run",)),
        Launch("docker"),
    ],
)
def test_other_commands_are_none_of_it(launch: Launch) -> None:
    assert image_of(launch) is None


def test_a_variable_that_is_not_there_is_left_out() -> None:
    assert read("-e", "A", "--env=B=2", "-e", "C=", "acme").environment == {"B": "2", "C": ""}


def test_variables_come_from_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# said\nA=1\n\nB\n")
    assert read("--env-file", str(tmp_path / "env"), "acme", B="2").environment == {"A": "1", "B": "2"}
    with pytest.raises(StartFailed, match="cannot be read"):
        read("--env-file", str(tmp_path / "none"), "acme")


@pytest.mark.parametrize(
    ("words", "volume"),
    [
        (("-v", "/data:/in"), Volume("/data", "/in", writable=True)),
        (("--volume=/data:/in:ro",), Volume("/data", "/in", writable=False)),
        (("-v", "kept:/in:z,ro"), Volume("kept", "/in", writable=False)),
        (("--mount", "type=bind,src=/data,dst=/in"), Volume("/data", "/in", writable=True)),
        (("--mount", "type=volume,source=kept,target=/in,readonly"), Volume("kept", "/in", writable=False)),
    ],
)
def test_what_is_mounted(words: tuple[str, ...], volume: Volume) -> None:
    assert read(*words, "acme").volumes == (volume,)


@pytest.mark.parametrize(
    "words",
    [
        ("--privileged",),
        ("--cap-add", "SYS_ADMIN"),
        ("--cap-add=ALL",),
        ("--device", "/dev/kvm"),
        ("--pid", "host"),
        ("--network", "host"),
        ("--net=bridge",),
        ("--security-opt", "seccomp=unconfined"),
        ("--userns", "host"),
        ("--user", "0"),
        ("-v", "/var/run/docker.sock:/var/run/docker.sock"),
        ("-v", "/:/host"),
        ("--mount", "type=bind,src=/,dst=/host"),
        ("-d",),
        ("--what-comes-next",),
    ],
)
def test_what_would_take_a_wall_down_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(StartFailed) as refused:
        read("-i", *words, "acme")
    assert refused.value.hint


@pytest.mark.parametrize("words", [(), ("-i",), ("-e",), ("-e", "A=1")])
def test_there_has_to_be_an_image(words: tuple[str, ...]) -> None:
    with pytest.raises(StartFailed, match="name no image"):
        read(*words)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=8))
def test_whatever_is_written_is_read_or_refused(words: list[str]) -> None:
    try:
        image = image_of(Launch("docker", ("run", *words)))
    except StartFailed:
        return
    assert image is not None
    assert not image.name.startswith("-")
    assert image.name in words
