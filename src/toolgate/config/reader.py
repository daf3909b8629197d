"""YAML → plain data, with the line that every value stands on.

The nodes are walked here rather than constructed by the library: that keeps the lines, reports a key that is written
twice, takes text as it was written (an `env` value of 0123 or 1.10 stays that), and bounds what anchors expand to.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from toolgate.errors import ConfigError

__all__ = ["Location", "Parsed", "dotted", "parse"]

Location = tuple[str | int, ...]
"""The way from the top of the document to a value: keys, and places in lists."""

MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 32

_TAG: Final = "tag:yaml.org,2002:"
_BARE_KEY: Final = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Parsed:
    """`data` is None for an empty document. `lines` count from 1; a member of a mapping has the line of its key."""

    data: Any
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """The line of the value, or of the nearest thing around it that was written."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 0)


def parse(text: str, file: str, verbatim: Callable[[Location], bool] = lambda _: False) -> Parsed:
    """The one document in `text`. Scalars where `verbatim` says so become text as written, but null.

    Raises `ConfigError` for what is not YAML.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except RecursionError:
        raise ConfigError("it is nested too deeply", file=file) from None
    except YAMLError as error:  # characters that YAML does not allow carry no mark
        reason = str(error).splitlines()[0]
        raise ConfigError(f"not valid YAML: {reason}", file=file) from None
    if root is None:
        return Parsed(None)
    walk = _Walk(file, verbatim)
    return Parsed(walk.value(root, ()), walk.lines)


def dotted(location: Location) -> str:
    """`servers.time.args[0]`: how a person names a place in the document."""
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _BARE_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


def _syntax_error(error: MarkedYAMLError, file: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or "cannot be read")
    hint = ""
    if r"'\t'" in problem or "tab" in problem.lower():
        problem, hint = "a tab is used where YAML needs spaces", "indent with spaces"
    elif "single document" in str(error.context or ""):
        problem, hint = "there is more than one document", "keep one, and remove the `---` line"
    # A problem is often seen one line late: where the thing began says more than where it could not go on.
    context = error.context_mark
    if not hint and context is not None and mark is not None and context.line != mark.line:
        problem += f" (in what begins on line {context.line + 1})"
    return ConfigError(f"not valid YAML: {problem}", file=file, line=mark.line + 1 if mark else 0, hint=hint)


class _Walk:
    def __init__(self, file: str, verbatim: Callable[[Location], bool]) -> None:
        self.lines: dict[Location, int] = {}
        self._file = file
        self._verbatim = verbatim
        self._nodes = 0

    def value(self, node: Node, at: Location) -> Any:
        self._nodes += 1
        self.lines.setdefault(at, node.start_mark.line + 1)
        # An alias is walked each time that it is used, so that a few lines can stand for billions of nodes, or for
        # themselves.
        if self._nodes > MAX_NODES or len(at) > MAX_DEPTH:
            raise self._error("its anchors expand to too much, or it is nested too deeply", node, at[:1])
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*at, place)) for place, item in enumerate(node.value)]
        return self._scalar(node, at)

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                continue
            key = self._key(key_node, at)
            if key in members:
                raise self._error(f"`{key}` is written twice here", key_node, (*at, key))
            self.lines[(*at, key)] = key_node.start_mark.line + 1
            members[key] = self.value(value_node, (*at, key))
        for key_node, value_node in self._merged(node, at):
            key = self._key(key_node, at)
            if key not in members:
                members[key] = self.value(value_node, (*at, key))
        return members

    def _merged(self, node: MappingNode, at: Location, depth: int = 0) -> Iterator[tuple[Node, Node]]:
        """The members that `<<` brings in, the ones that win first."""
        if depth > MAX_DEPTH:
            raise self._error("`<<` leads back to itself", node, at)
        for key_node, value_node in node.value:
            if key_node.tag != f"{_TAG}merge":
                continue
            bases = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            for base in bases:
                if not isinstance(base, MappingNode):
                    raise self._error("`<<` takes a mapping, or a list of them", value_node, at)
                for member in base.value:
                    self._nodes += 1
                    if self._nodes > MAX_NODES:
                        raise self._error("its anchors expand to too much", node, at)
                    if member[0].tag != f"{_TAG}merge":
                        yield member
                yield from self._merged(base, at, depth + 1)

    def _key(self, node: Node, at: Location) -> str:
        if not isinstance(node, ScalarNode):
            raise self._error("a key must be text", node, at)
        return str(node.value)

    def _scalar(self, node: Node, at: Location) -> Any:
        text = str(node.value)
        tag = str(node.tag).removeprefix(_TAG)
        if tag == "null":
            return None
        if tag in {"str", "timestamp"} or self._verbatim(at):
            return text
        read = {"bool": _bool, "int": _int, "float": _float}.get(tag)
        if read is None:
            raise self._error(f"the tag {node.tag} is not used here", node, at)
        try:
            return read(text)
        except ValueError:
            raise self._error(f"this is not a valid {tag}", node, at) from None

    def _error(self, reason: str, node: Node, at: Location) -> ConfigError:
        return ConfigError(reason, file=self._file, line=node.start_mark.line + 1, field=dotted(at))


def _bool(text: str) -> bool:
    return text.lower() == "true"


def _int(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return int(text)  # YAML 1.2 reads 010 as ten


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
