"""Reaching out, and the sockets of this machine."""

import contextlib
import errno
import socket

from .given import any_of, world


def connects(family: int, address: tuple[str, int] | str, kind: int = socket.SOCK_STREAM) -> bool:
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        return True


def answers(address: tuple[str, int]) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(2)
        made.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1", address)
        return made.recv(512)


def leaves(address: str) -> bool:
    """Whether a packet went anywhere: a refusal or silence says that it did."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(0.5)
        return made.connect_ex((address, 80)) not in {errno.ENETUNREACH, errno.EACCES, errno.EPERM}


def opens_raw(family: int, protocol: int) -> bool:
    socket.socket(family, socket.SOCK_RAW, protocol).close()
    return True


def reach_loopback() -> object:
    return connects(socket.AF_INET, ("127.0.0.1", world["tcp"]))


def reach_this_machine() -> object:
    return connects(socket.AF_INET, (world["address"], world["tcp"]))


def reach_link_local() -> object:
    return leaves("169.254.169.254")


def reach_private() -> object:
    return any_of(leaves, ("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"))


def reach_public() -> object:
    return leaves("192.0.2.1")


def ask_names() -> object:
    return answers(("127.0.0.1", world["udp"]))


def resolve_names() -> object:
    with contextlib.suppress(FileNotFoundError), open("/etc/resolv.conf") as file:
        servers = [line.split()[1] for line in file if line.startswith("nameserver")]
        return any_of(lambda at: answers((at, 53)), servers)
    return False


def reach_unix_path() -> object:
    return connects(socket.AF_UNIX, f"/{world['unix']}")


def reach_unix_abstract() -> object:
    return connects(socket.AF_UNIX, f"\0{world['abstract']}")


def reconnect_pair() -> object:
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.connect(f"/{world['datagrams']}")
    return True


def reach_vsock() -> object:
    socket.socket(40, socket.SOCK_STREAM).close()
    return True


def send_raw() -> object:
    return any_of(lambda kind: opens_raw(*kind), ((17, 768), (socket.AF_INET, 1), (socket.AF_INET6, 58)))
