"""What people write behind `docker run`, and what of it holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toolgate.errors import StartFailed
from toolgate.runtime.base import Launch

__all__ = ["ENGINES", "Image", "Volume", "image_of", "names_image"]

ENGINES: Final = ("podman", "docker")

_MEANT: Final = frozenset(
    ["-i", "--interactive", "--rm", "--init", "-t", "--tty", "--read-only", "-q", "--quiet", "--no-healthcheck"]
)
"""Without a value, and without effect: it is so anyway, or would be of no use."""
_OURS: Final = frozenset({
    "--name", "-l", "--label", "--pull", "-m", "--memory", "--memory-swap", "--cpus", "--pids-limit", "--cap-drop",
    "--tmpfs", "--shm-size", "--ulimit", "--stop-timeout", "--log-driver", "-h", "--hostname", "-p", "--publish", "-a",
    "--attach", "--sig-proxy",
})  # fmt: skip
"""With a value that counts nothing: the profile says it."""
_TAKEN: Final = frozenset(
    ["-e", "--env", "--env-file", "-v", "--volume", "--mount", "--entrypoint", "-w", "--workdir", "--platform"]
)
_HARMLESS: Final = {
    "--network": {"none"},
    "--net": {"none"},
    "--security-opt": {"no-new-privileges", "no-new-privileges:true"},
}
_SHORT: Final = frozenset("itq")
_SOCKETS: Final = ("docker.sock", "podman.sock", "containerd.sock")


@dataclass(frozen=True, slots=True)
class Volume:
    """`source` is a path of this machine, or the name of a volume."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Image:
    """What is run in a container."""

    name: str
    args: tuple[str, ...] = field(default=(), repr=False)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    volumes: tuple[Volume, ...] = ()
    entrypoint: str = ""
    workdir: str = ""
    platform: str = ""


def names_image(launch: Launch) -> bool:
    """Whether it is a `docker run`."""
    said = launch.args[:1] == ("run",) or launch.args[:2] == ("container", "run")
    return Path(launch.command).name in ENGINES and said


def image_of(launch: Launch) -> Image | None:
    """None for what is no `docker run`. Raises `StartFailed` for options that would take a wall down: a definition
    comes from whoever wrote it, and the walls are the operator's."""
    if not names_image(launch):
        return None
    rest = iter(launch.args[2:] if launch.args[0] == "container" else launch.args[1:])
    environment: dict[str, str] = {}
    volumes: list[Volume] = []
    single: dict[str, str] = {}
    for word in rest:
        if not word.startswith("-"):
            return Image(
                word, tuple(rest), environment, tuple(volumes),
                single.get("--entrypoint", ""), single.get("--workdir", ""), single.get("--platform", ""),
            )  # fmt: skip
        name, _, value = word.partition("=")
        if name in _MEANT or (word[1:2] not in {"", "-"} and _SHORT.issuperset(word[1:])):
            continue
        if name not in _OURS and name not in _TAKEN and not _is_harmless(name, value):
            raise _refused(name)
        value = value if "=" in word else next(rest, "")
        match {"-e": "--env", "-v": "--volume", "-w": "--workdir"}.get(name, name):
            case "--env":
                environment.update(_variable(value, launch))
            case "--env-file":
                environment.update(_variables(value, launch))
            case "--volume":
                volumes.append(_volume(value))
            case "--mount":
                volumes.append(_mount(value))
            case "--entrypoint" | "--workdir" | "--platform" as one:
                single[one] = value
    raise StartFailed("its arguments name no image", hint="write: docker run -i --rm IMAGE")


def _is_harmless(name: str, value: str) -> bool:
    known = {
        "--network": {"none"},
        "--net": {"none"},
        "--security-opt": {"no-new-privileges", "no-new-privileges:true"},
    }
    return value in known.get(name, set())


def _refused(name: str) -> StartFailed:
    hint = f"leave {name} out"
    if name in {"--network", "--net"}:
        hint = "leave --network out, and name the hosts that it needs: network: [api.example.com]"
    elif name in {"-u", "--user"}:
        hint = "leave --user out: it runs as a user of its own"
    return StartFailed(f"its arguments ask for {name}, which a container here is not given", hint=hint)


def _variable(text: str, launch: Launch) -> Iterator[tuple[str, str]]:
    name, equals, value = text.partition("=")
    if equals:
        yield name, value
    elif name in launch.environment:
        yield name, launch.environment[name]


def _variables(path: str, launch: Launch) -> Iterator[tuple[str, str]]:
    try:
        lines = Path(launch.cwd or ".", path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StartFailed(f"its --env-file {path} cannot be read: {type(error).__name__}") from None
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield from _variable(line.strip(), launch)


def _volume(text: str) -> Volume:
    source, _, rest = text.partition(":")
    target, _, options = rest.partition(":")
    if not target:
        raise StartFailed(f"its volume {text!r} names no place inside", hint="write SOURCE:TARGET or SOURCE:TARGET:ro")
    return _checked(Volume(str(Path(source).expanduser()), target, "ro" not in options.split(",")))


def _mount(text: str) -> Volume:
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    source = fields.get("source", fields.get("src", ""))
    target = fields.get("target", fields.get("destination", fields.get("dst", "")))
    if fields.get("type", "volume") not in {"bind", "volume"} or not source or not target:
        raise StartFailed("its --mount is none of type=bind or type=volume with a source and a target")
    readonly = {"readonly", "ro"} & fields.keys()
    return _checked(Volume(str(Path(source).expanduser()), target, not readonly))


def _checked(volume: Volume) -> Volume:
    if Path(volume.source).name in _SOCKETS or volume.source == "/":
        raise StartFailed(
            f"its volume {volume.source} would give it this whole machine", hint="leave it out, or run it by hand"
        )
    return volume
