import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from toolgate.cli.reachability import Step, reach


async def steps(url: str) -> list[Step]:
    return [step async for step in reach(url)]


async def test_what_is_no_url_is_told_first() -> None:
    for url in ("example.com", "ftp://example.com", "http://", "http://[::", "http://x:99999"):
        (step,) = await steps(url)
        assert (step.name, step.ok) == ("url", False)


async def test_a_name_that_does_not_resolve_is_the_step_dns() -> None:
    (step,) = await steps("http://no.such.host.invalid/mcp")
    assert (step.name, step.ok) == ("dns", False)
    assert "no.such.host.invalid" in step.text


async def test_a_port_where_nobody_listens_is_the_step_tcp() -> None:
    dns, tcp = await steps("http://127.0.0.1:9/secret-path?key=secret")
    assert (dns.ok, tcp.name, tcp.ok) == (True, "tcp", False)
    assert "Connection refused" in tcp.text
    assert "secret" not in tcp.text + tcp.hint


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that handles one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as sock:

        def accept() -> None:
            with suppress(OSError):  # the end, below
                while True:
                    with sock.accept()[0] as connection:
                        serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield sock.getsockname()[1]
        sock.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_an_open_port_is_reached() -> None:
    with listening(lambda _: None) as port:
        found = await steps(f"http://127.0.0.1:{port}/mcp")
    assert [(step.name, step.ok) for step in found] == [("dns", True), ("tcp", True)]


async def test_plain_http_where_tls_was_meant_is_the_step_tls() -> None:
    def plain(connection: socket.socket) -> None:
        if connection.recv(16):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listening(plain) as port:
        tls = (await steps(f"https://127.0.0.1:{port}/mcp"))[-1]
    assert (tls.name, tls.ok) == ("tls", False)
    assert "http://" in tls.hint


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """That nobody here trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    file = tmp_path / "own.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_that_is_not_trusted_is_the_step_tls(certificate: ssl.SSLContext) -> None:
    def secure(connection: socket.socket) -> None:
        with suppress(ssl.SSLError, OSError), certificate.wrap_socket(connection, server_side=True):
            pass

    with listening(secure) as port:
        tls = (await steps(f"https://127.0.0.1:{port}/mcp"))[-1]
    assert (tls.name, tls.ok) == ("tls", False)
    assert "not trusted: self-signed certificate" in tls.text
    assert "SSL_CERT_FILE" in tls.hint
