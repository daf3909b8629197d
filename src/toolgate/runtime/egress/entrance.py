"""Run on its own, as `python -I -S entrance.py PID CHANNEL PORTS ADDRESSES`: binds sockets inside a sandbox's network.

It enters the user and network namespaces of process PID (held, so none of the server's code runs yet), binds what the
gateway will accept on, and passes the descriptors out over the Unix socket CHANNEL: a listener for each of PORTS (in
their order), then the UDP and the TCP socket of the resolver. PORTS and ADDRESSES are lists with commas. ADDRESSES
become addresses of the sandbox's `lo`, so that connections to them arrive at the listeners. It then exits; nothing
stays inside. A reason for failing goes to standard error, with status 1.

`lo` itself is brought up by the sandbox (bubblewrap does), in its own time: doing it here first would make its own
attempt fail. Sockets are therefore bound to addresses that may not exist yet (IP_FREEBIND).
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from ipaddress import IPv4Address
from typing import Final, NoReturn

_SECONDS: Final = 10
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_NS_GET_USERNS: Final = 0xB701  # ioctl_ns(2)
_NS_GET_OWNER_UID: Final = 0xB704
_NOGROUP: Final = 65534
_IP_FREEBIND: Final = 15
_RTM_NEWADDR: Final = 20
_NLM_REQUEST_ACK_CREATE: Final = 0x0001 | 0x0004 | 0x0400
_NLMSG_ERROR: Final = 2
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_SCOPE_HOST: Final = 254
_RESOLVER: Final = ("127.0.0.1", 53)

_libc: Final = ctypes.CDLL(None, use_errno=True)


def main(pid: int, channel: int, ports: list[int], addresses: list[str]) -> None:
    signal.alarm(_SECONDS)
    enter(pid)
    for address in addresses:
        add_address(address)
    sockets = [bound(socket.SOCK_STREAM, "0.0.0.0", port) for port in ports]  # noqa: S104 - the sandbox's own network
    sockets += [bound(socket.SOCK_DGRAM, *_RESOLVER), bound(socket.SOCK_STREAM, *_RESOLVER)]
    with socket.socket(fileno=channel) as out:
        socket.send_fds(out, [b"\0"], [each.fileno() for each in sockets])


def enter(pid: int) -> None:
    """The network namespace, by way of the user namespace that owns it: the process may be in a nested one by now."""
    network = network_of(pid)
    if os.path.sameopenfile(network, os.open("/proc/self/ns/net", os.O_RDONLY)):
        fail(f"process {pid} has no network of its own")
    users = fcntl.ioctl(network, _NS_GET_USERNS)
    if not os.path.sameopenfile(users, os.open("/proc/self/ns/user", os.O_RDONLY)):
        (owner,) = struct.unpack("=I", fcntl.ioctl(users, _NS_GET_OWNER_UID, bytes(4)))
        become(owner, _NOGROUP)  # whom it obeys also where root has not all rights
        join(users, _CLONE_NEWUSER)
    join(network, _CLONE_NEWNET)


def network_of(pid: int) -> int:
    path = f"/proc/{pid}/ns/net"
    try:
        return os.open(path, os.O_RDONLY)
    except PermissionError:  # root without CAP_SYS_PTRACE, as in a container, which may still become the server's user
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            ids = {field: values.split() for field, _, values in (line.partition(":") for line in status)}
        become(int(ids["Uid"][1]), int(ids["Gid"][1]))
        return os.open(path, os.O_RDONLY)


def become(user: int, group: int) -> None:
    if os.geteuid() == 0 != user:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)


def join(namespace: int, kind: int) -> None:
    if _libc.setns(namespace, kind) != 0:
        reason = ctypes.get_errno()
        raise OSError(reason, os.strerror(reason), "setns")


def add_address(address: str) -> None:
    """rtnetlink(7). An address may be added before the link is up."""
    packed = IPv4Address(address).packed
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, _SCOPE_HOST, socket.if_nametoindex("lo"))
    body += b"".join(struct.pack("=HH", 8, kind) + packed for kind in (_IFA_LOCAL, _IFA_ADDRESS))
    head = struct.pack("=IHHII", 16 + len(body), _RTM_NEWADDR, _NLM_REQUEST_ACK_CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(head + body)
        reply = netlink.recv(4096)
    kind, status = struct.unpack_from("=4xH10xi", reply)
    if kind != _NLMSG_ERROR or status != 0:
        raise OSError(-status, os.strerror(-status), address)


def bound(kind: int, address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen(128)
    return made


def fail(reason: str) -> NoReturn:
    sys.stderr.write(reason + "\n")
    raise SystemExit(1)


def items(text: str) -> list[str]:
    return text.split(",") if text else []


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]), [int(port) for port in items(sys.argv[3])], items(sys.argv[4]))
    except OSError as error:
        fail(str(error))
