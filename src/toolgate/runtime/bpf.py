"""Classic BPF as seccomp(2) takes it: a filter over one system call's number, architecture and arguments.

Each block ends in a verdict on every path, so blocks nest without labels. A condition jumps over what it guards, and a
jump reaches at most 255 instructions: keep guarded blocks short, or guard them with `only_on`, which reaches further.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = [
    "ALLOW",
    "KILL",
    "Block",
    "Instruction",
    "argument",
    "assembled",
    "bits",
    "fail",
    "number",
    "only_on",
    "verdict",
    "when",
    "when_above",
]

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
"""The whole process, not only the thread."""

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP: Final = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
JUMP_BITS: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K

# struct seccomp_data
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_FURTHEST: Final = 0xFF
_ERRNO: Final = 0x00050000


class Instruction(NamedTuple):
    """`struct sock_filter`."""

    code: int
    if_true: int
    if_false: int
    value: int


Block = tuple[Instruction, ...]


def verdict(action: int) -> Block:
    return (Instruction(RETURN, 0, 0, action),)


def fail(errno: int) -> Block:
    """The call is not made and its caller gets this error."""
    return verdict(_ERRNO | errno)


def number() -> Block:
    """Look at the number of the call from here on."""
    return (Instruction(LOAD, 0, 0, _NUMBER),)


def argument(index: int) -> Block:
    """Look at an argument from here on: its low half, which is all that the kernel sees of an `int`. Both
    architectures are little-endian."""
    return (Instruction(LOAD, 0, 0, _ARGUMENTS + 8 * index),)


def when(value: int, then: Block) -> Block:
    """If what is looked at is this. `then` must end in a verdict."""
    return (Instruction(JUMP_EQUAL, 0, _reach(then), value), *then)


def when_above(value: int, then: Block) -> Block:
    return (Instruction(JUMP_GREATER, 0, _reach(then), value), *then)


def bits(mask: int, then: Block) -> Block:
    """If any of these bits is set."""
    return (Instruction(JUMP_BITS, 0, _reach(then), mask), *then)


def only_on(architecture: int, then: Block) -> Block:
    """If the call came by this architecture's table. Reaches any distance."""
    load = Instruction(LOAD, 0, 0, _ARCHITECTURE)
    return (load, Instruction(JUMP_EQUAL, 1, 0, architecture), Instruction(JUMP, 0, 0, len(then)), *then)


def assembled(blocks: Sequence[Block]) -> bytes:
    """An array of `struct sock_filter`."""
    return b"".join(struct.pack("=HBBI", *instruction) for block in blocks for instruction in block)


def _reach(then: Block) -> int:
    if len(then) > _FURTHEST:
        raise ValueError("a condition cannot jump over so many instructions")
    return len(then)
