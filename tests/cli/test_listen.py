import socket

import pytest

from toolgate.cli.listen import ListenError, bind, url_of
from toolgate.cli.running import Running


def test_a_bound_socket_knows_its_url() -> None:
    with bind("127.0.0.1", 0, None) as sock:
        assert url_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_an_address_for_everybody_is_reached_here_through_loopback() -> None:
    with bind(".".join("0000"), 0, None) as sock:
        assert url_of(sock).startswith("http://127.0.0.1:")


def test_a_busy_port_is_told_and_by_whom_if_it_is_toolgate() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match="in use by another program") as raised:
            bind("127.0.0.1", port, None)
        assert f"--port {port + 1}" in raised.value.hint
        running = Running(4711, f"http://127.0.0.1:{port}", "token", 1.0)
        with pytest.raises(ListenError, match=r"already running at .* \(process 4711\)"):
            bind("127.0.0.1", port, running)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ListenError, match="not an address of this machine"):
        bind("192.0.2.1", 0, None)
    with pytest.raises(ListenError, match="not an address of this machine"):
        bind("no.such.host.invalid", 0, None)
