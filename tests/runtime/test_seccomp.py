"""The filter, asked about every call by a machine of our own, and put on real processes."""

import errno
import platform
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.bpf_machine import judged
from toolgate.runtime.bpf import ALLOW, KILL, Instruction, assembled, bits, verdict, when
from toolgate.runtime.seccomp import MACHINES, program, speaks
from toolgate.runtime.syscalls import CALLS, HIGHEST

DENY = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
NO_FAMILY = 0x00050000 | errno.EAFNOSUPPORT
OPEN = program(network=True)
CLOSED = program(network=False)
ALONE = program(network=False, unix=False)
PROGRAMS = (OPEN, CLOSED, ALONE)

machines = st.sampled_from(list(MACHINES))
words = st.integers(0, 2**64 - 1)


def asked(filter_: bytes, machine: str, name: str, *arguments: int) -> int:
    number = CALLS[name][list(MACHINES).index(machine)]
    assert number is not None, f"{machine} has no {name}"
    return judged(filter_, MACHINES[machine], number, arguments)


@given(st.sampled_from(PROGRAMS), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.lists(words, max_size=6))
def test_every_call_gets_a_verdict_and_foreign_architectures_the_end(
    filter_: bytes, architecture: int, number: int, arguments: list[int]
) -> None:
    assert judged(filter_, architecture, number, arguments) == KILL or architecture in MACHINES.values()


@given(machines, st.integers(0x40000000, 0xFFFFFFFF))
def test_calls_of_x32_kill(machine: str, number: int) -> None:
    assert judged(OPEN, MACHINES[machine], number) == KILL


@given(machines, st.integers(HIGHEST + 1, 0x3FFFFFFF))
def test_calls_that_came_after_the_filter_are_not_there(machine: str, number: int) -> None:
    assert judged(OPEN, MACHINES[machine], number) == UNKNOWN


@given(st.sampled_from(PROGRAMS), machines, st.integers(0, HIGHEST), st.lists(words, max_size=6))
def test_calls_that_the_filter_does_not_name_are_allowed(
    filter_: bytes, machine: str, number: int, arguments: list[int]
) -> None:
    named = {numbers[list(MACHINES).index(machine)] for numbers in CALLS.values()}
    assert number in named or judged(filter_, MACHINES[machine], number, arguments) == ALLOW


@given(machines, words)
def test_the_upper_half_of_an_argument_changes_nothing(machine: str, upper: int) -> None:
    upper &= 0xFFFFFFFF00000000
    assert asked(OPEN, machine, "socket", upper | socket.AF_INET) == ALLOW
    assert asked(OPEN, machine, "socket", upper | 40) == NO_FAMILY
    assert asked(OPEN, machine, "clone", upper | 0x10000000) == DENY
    assert asked(OPEN, machine, "ioctl", 0, upper | 0x5412) == DENY


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    "name",
    [
        *("ptrace", "process_vm_readv", "mount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen"),
        *("mount_setattr", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key"),
        *("kexec_load", "init_module", "finit_module", "reboot", "swapon", "acct", "quotactl", "memfd_create"),
        *("memfd_secret", "open_by_handle_at", "chroot", "shmget", "mq_open"),
    ],
)
@pytest.mark.parametrize("argument", [0, 2**64 - 1])
def test_denied_whatever_it_is_asked(machine: str, name: str, argument: int) -> None:
    assert asked(OPEN, machine, name, *[argument] * 6) == DENY


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["clone3", "openat2", "io_uring_setup", "io_uring_enter", "io_uring_register"])
def test_calls_that_have_an_older_way_seem_not_to_be_there(machine: str, name: str) -> None:
    assert asked(OPEN, machine, name) == UNKNOWN


@given(machines, st.integers(0, 2**32 - 1))
def test_new_namespaces_are_denied_and_threads_and_processes_are_not(machine: str, flags: int) -> None:
    namespaces = 0x7E020000
    assert asked(OPEN, machine, "clone", flags & ~namespaces) == ALLOW
    assert asked(OPEN, machine, "clone", flags) == (DENY if flags & namespaces else ALLOW)
    assert asked(OPEN, machine, "unshare", flags) == (DENY if flags & (namespaces | 0x80) else ALLOW)


@given(machines, st.integers(0, 0o7777))
def test_no_file_gets_a_set_id_bit(machine: str, mode: int) -> None:
    expected = DENY if mode & 0o6000 else ALLOW
    assert asked(OPEN, machine, "fchmod", 3, mode) == expected
    assert asked(OPEN, machine, "fchmodat", 3, 0, mode) == expected
    assert asked(OPEN, machine, "fchmodat2", 3, 0, mode) == expected
    assert asked(OPEN, machine, "openat", 3, 0, 0o101, mode) == expected
    assert asked(OPEN, machine, "openat", 3, 0, 0o20200000, mode) == expected
    assert asked(OPEN, machine, "openat", 3, 0, 0o1, mode) == ALLOW  # the kernel looks at no mode there
    assert asked(OPEN, machine, "mknodat", 3, 0, 0o100000 | mode) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_devices_are_not_made_and_pipes_are(machine: str) -> None:
    assert asked(OPEN, machine, "mknodat", 3, 0, 0o020666) == DENY
    assert asked(OPEN, machine, "mknodat", 3, 0, 0o060666) == DENY
    assert asked(OPEN, machine, "mknodat", 3, 0, 0o010666) == ALLOW


@given(machines, st.integers(0, 2**32 - 1))
def test_personality_can_only_be_asked_for(machine: str, persona: int) -> None:
    assert asked(OPEN, machine, "personality", persona) == (ALLOW if persona in {0, 0xFFFFFFFF} else DENY)


@given(machines, st.integers(0, 60), st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_only_the_families_that_servers_need(machine: str, family: int, kind: int, protocol: int) -> None:
    def families(filter_: bytes) -> bool:
        return asked(filter_, machine, "socket", family, kind, protocol) == ALLOW

    route = family == 16 and protocol == 0
    assert families(OPEN) is (family in {1, 2, 10} or route)
    assert families(CLOSED) is (family == 1 or route)
    assert families(ALONE) is route


@given(machines, st.sampled_from([1, 2, 3, 5]), st.integers(0, 1), st.integers(0, 1))
def test_a_pair_that_could_be_connected_anew_is_not_made(machine: str, kind: int, nonblock: int, cloexec: int) -> None:
    flags = kind | nonblock << 11 | cloexec << 19
    assert asked(ALONE, machine, "socketpair", 1, flags) == (ALLOW if kind in {1, 5} else NO_FAMILY)
    assert asked(CLOSED, machine, "socketpair", 1, flags) == ALLOW
    assert asked(OPEN, machine, "socketpair", 2, flags) == NO_FAMILY


def test_a_condition_refuses_to_guard_more_than_it_can_jump_over() -> None:
    with pytest.raises(ValueError, match="jump"):
        when(1, verdict(ALLOW) * 256)


def test_bits_and_equality_are_what_they_are_called() -> None:
    nothing = Instruction(0x20, 0, 0, 0)
    filter_ = assembled([(nothing,), bits(0b110, verdict(1)), when(8, verdict(2)), verdict(3)])
    assert [judged(filter_, 0, number) for number in (2, 4, 8, 9)] == [1, 1, 2, 3]


PRELUDE = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
filter_ = bytes.fromhex(sys.argv[1])
held = ctypes.create_string_buffer(filter_, len(filter_))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc.prctl(38, 1, 0, 0, 0)
program = Program(len(filter_) // 8, ctypes.addressof(held))
if libc.prctl(22, 2, ctypes.byref(program), 0, 0):
    sys.exit("the kernel does not take the filter")
"""


def run(body: str, filter_: bytes = OPEN) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + body, filter_.hex()]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def here(name: str) -> int:
    number = CALLS[name][list(MACHINES).index(platform.machine())]
    assert number is not None
    return number


def test_this_machine_is_one_that_the_filter_speaks_of() -> None:
    assert speaks()


@pytest.mark.parametrize("filter_", PROGRAMS)
def test_the_kernel_takes_it_and_programs_still_run(filter_: bytes) -> None:
    body = "import subprocess, threading\n"
    body += "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
    body += "print(subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout, end='')"
    result = run(body, filter_)
    assert (result.returncode, result.stdout) == (0, "thread\nchild\n"), result.stderr


def test_denied_calls_fail_in_the_kernel_with_the_error_of_the_filter() -> None:
    names = ["ptrace", "mount", "bpf", "memfd_create", "shmget", "setns", "unshare", "clone3", "io_uring_setup"]
    numbers = [here(name) for name in names]
    body = f"for n in {numbers}:\n ctypes.set_errno(0)\n libc.syscall(n, 0x10000000, 0, 0, 0, 0)\n"
    body += " print(ctypes.get_errno())"
    result = run(body)
    expected = [errno.ENOSYS if name in {"clone3", "io_uring_setup"} else errno.EPERM for name in names]
    assert result.stdout.split() == [str(number) for number in expected], result.stderr


def test_a_set_id_bit_is_refused_in_the_kernel(tmp_path: Path) -> None:
    body = f"path = {str(tmp_path / 'file')!r}\n"
    body += "def tried(step):\n try: step(); print('done')\n except PermissionError: print('refused')\n"
    body += "tried(lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755)))\n"
    body += "tried(lambda: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o755)))\n"
    body += "tried(lambda: os.chmod(path, 0o4755))\ntried(lambda: os.chmod(path, 0o700))"
    assert run(body).stdout.split() == ["refused", "done", "refused", "done"]


def test_sockets_are_refused_in_the_kernel() -> None:
    body = "for family in (1, 2, 10, 16, 40, 17, 38):\n"
    body += " kind = socket.SOCK_STREAM if family < 16 else socket.SOCK_RAW\n"
    body += " try: socket.socket(family, kind).close(); print(family)\n"
    body += " except OSError as error: assert error.errno in (97, 1), error\n"
    assert run(body).stdout.split() == ["1", "2", "10", "16"]
    assert run(body, CLOSED).stdout.split() == ["1", "16"]
    assert run(body, ALONE).stdout.split() == ["16"]


def test_an_instruction_is_eight_bytes() -> None:
    assert len(OPEN) % 8 == 0
    assert len(OPEN) // 8 < 4096  # BPF_MAXINSNS
    assert struct.unpack_from("=HBBI", OPEN)[0] == 0x20
