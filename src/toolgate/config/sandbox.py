"""The part `sandbox` of the document: what servers that are started here may use and reach."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from toolgate.config.values import Count, Size
from toolgate.model.grant import Grant
from toolgate.model.profile import Mount as ProfileMount
from toolgate.model.profile import Profile, Wall

__all__ = ["Mount", "Sandbox"]

_DEFAULT: Final = Profile()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


def _host(value: Any) -> Any:
    if isinstance(value, str):
        Grant.parse(value)
    return value


Host = Annotated[str, BeforeValidator(_host)]


RuntimeName = Literal["auto", "bubblewrap", "landlock", "podman", "docker", "gvisor", "kubernetes", "e2b", "process"]


class Mount(_Part):
    """A file or folder of this machine that a server sees: its path, or `{path: …, writable: true}`."""

    path: Annotated[str, Field(min_length=1)]
    """Where it is; relative paths are so to the folder of this file."""
    writable: bool = False
    """Whether the server may change it."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"description": schema["description"], "anyOf": [{"type": "string"}, dict(schema)]}


class Sandbox(_Part):
    """What servers started here may use and reach. What a server says itself goes before what is said of all."""

    runtime: RuntimeName = "auto"
    """What servers are run in; `auto` is the first that works here: of bubblewrap, landlock and process, and for images
    (`docker run` in a definition) of podman and docker."""
    network: tuple[Host, ...] = ()
    """Hosts to reach: `api.example.com`, `*.example.com`, `10.0.0.5:8443`, `private:db.corp`, `*` (all public ones)."""
    mounts: tuple[Mount, ...] = ()
    """Files and folders of this machine that are seen, next to the server's own program."""
    memory: Size = _DEFAULT.memory
    """How much memory all processes of a server may take together."""
    processes: Count = _DEFAULT.processes
    """How many processes and threads a server may have."""
    cpus: Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False)] = _DEFAULT.cpus
    """How many processors a server may keep busy."""
    tmp: Size = _DEFAULT.tmp
    """How much temporary space a server has. It begins empty each time."""
    persistent: bool = False
    """Whether the home folder of a server survives."""
    template: Annotated[str, Field(max_length=256)] = ""
    """What its sandbox is made of, where `runtime` is `e2b`; its `base` where none is named."""
    requires: tuple[Wall, ...] = ()
    """Walls without which a server is not started."""
    accept: tuple[Wall, ...] = ()
    """Walls that may be missing, though something that was asked for needs them."""

    def profile(self, own: "Sandbox | None", place: Callable[[str], str]) -> Profile:
        """With what a server says itself. `place` makes paths absolute."""
        said: Mapping[str, Any] = {name: getattr(own, name) for name in own.model_fields_set} if own else {}
        whole = self.model_copy(update=said)
        return Profile(
            runtime=whole.runtime,
            network=whole.network,
            mounts=tuple(ProfileMount(place(mount.path), mount.writable) for mount in whole.mounts),
            memory=whole.memory,
            processes=whole.processes,
            cpus=whole.cpus,
            tmp=whole.tmp,
            persistent=whole.persistent,
            template=whole.template,
            requires=frozenset(whole.requires),
            accept=frozenset(whole.accept),
        )
