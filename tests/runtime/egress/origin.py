"""Hosts outside, as a sandboxed server would meet them: one that speaks HTTPS and one that speaks HTTP."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolgate.runtime.egress.dialing import dial

__all__ = ["BIG", "PUBLIC", "Outside", "certify", "outside"]

PUBLIC = "93.184.216.34"
BIG = 3_000_000


def certify(folder: Path, *names: str) -> Path:
    """A certificate that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    for extension, critical in (
        (x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (subject, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject), False),
    ):
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(key, hashes.SHA256())
    file = folder / "outside.pem"
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@dataclass
class Outside:
    """What the gateway finds when it resolves and dials. `answers` are the addresses of names, one after the other, the
    last for ever; names without have a public one."""

    ports: dict[int, int] = field(default_factory=dict)
    answers: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def resolve(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        answers = self.answers.get(name, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def dial(self, address: str, port: int) -> socket.socket:
        self.dialled.append((address, port))
        return await dial("127.0.0.1", self.ports[port])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                host = next(line for line in lines if line.lower().startswith("host:")).split(":", 1)[1].strip()
                path = lines[0].split()[1]
                self.requests.append(f"{host}{path}")
                writer.write(_response(host, path))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def _response(host: str, path: str) -> bytes:
    if path.startswith("/to/"):
        return f"HTTP/1.1 302 Found\r\nLocation: {path[4:]}\r\nContent-Length: 0\r\n\r\n".encode()
    body = b"b" * BIG if path == "/big" else f"this is {host}".encode()
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def outside(certificate: Path) -> AsyncIterator[Outside]:
    """Ports 443 and 8443 speak TLS, 80 does not."""
    world = Outside()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    plain = await asyncio.start_server(world.serve, "127.0.0.1", 0)
    secure = await asyncio.start_server(world.serve, "127.0.0.1", 0, ssl=context)
    world.ports = {80: plain.sockets[0].getsockname()[1], 443: secure.sockets[0].getsockname()[1]}
    world.ports[8443] = world.ports[443]
    try:
        yield world
    finally:
        plain.close()
        secure.close()
