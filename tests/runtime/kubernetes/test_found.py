"""Which cluster is found, and as whom it is asked."""

import base64
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from toolgate.errors import StartFailed
from toolgate.runtime.kubernetes.cluster import Cluster, found


def written(folder: Path, user: Any = None, cluster: Any = None, name: str = "config") -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(
        json.dumps(
            {
                "current-context": "one",
                "contexts": [{"name": "one", "context": {"cluster": "far", "user": "me", "namespace": "servers"}}],
                "clusters": [{"name": "far", "cluster": {"server": "http://127.0.0.1:1/"} | (cluster or {})}],
                "users": [{"name": "me", "user": user or {"token": "token"}}],
            }
        )
    )
    return {"KUBECONFIG": str(file)}


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate, private


def in_words(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def test_a_kubeconfig_says_where_and_as_whom(tmp_path: Path) -> None:
    cluster = found(written(tmp_path))
    assert (cluster.server, cluster.namespace) == ("http://127.0.0.1:1", "servers")
    assert await cluster.token.current() == "token"
    assert "token'" not in repr(cluster)


async def test_a_token_in_a_file_is_read_again_when_it_was_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    token = found(written(tmp_path, user={"tokenFile": "token"})).token
    assert await token.current() == "first"
    (tmp_path / "token").write_text("second\n")
    assert await token.current() == "first"
    assert await token.current(refused=True) == "second"
    (tmp_path / "token").unlink()
    with pytest.raises(StartFailed, match="cannot be read"):
        await token.current(refused=True)


@pytest.mark.parametrize("inline", [True, False])
def test_certificates_stand_in_it_or_beside_it(tmp_path: Path, pair: tuple[bytes, bytes], inline: bool) -> None:
    certificate, key = pair
    (tmp_path / "own.crt").write_bytes(certificate)
    (tmp_path / "own.key").write_bytes(key)
    far: dict[str, str] = {"server": "https://127.0.0.1:1", "tls-server-name": "kubernetes"}
    if inline:
        user = {"client-certificate-data": in_words(certificate), "client-key-data": in_words(key)}
        far |= {"certificate-authority-data": in_words(certificate)}
    else:
        user = {"client-certificate": "own.crt", "client-key": "own.key"}
        far |= {"certificate-authority": "own.crt"}
    cluster = found(written(tmp_path, user, far))
    assert cluster.host == "kubernetes"
    assert cluster.tls is not None
    assert cluster.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(cluster.tls.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("user", "far", "words"),
    [
        ({"exec": {"command": "aws"}}, {}, "a program .exec., which is not run"),
        ({"auth-provider": {"name": "gcp"}}, {}, "a program .auth-provider., which is not run"),
        ({}, {"proxy-url": "http://127.0.0.1:2"}, "proxy-url, which is not supported"),
        ({}, {"server": ""}, "no address"),
        ({}, {"server": "https://127.0.0.1:1", "certificate-authority": "none.crt"}, "certificates .* cannot be used"),
        ({"client-key-data": "%"}, {"server": "https://127.0.0.1:1"}, "is not base64"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, user: Any, far: Any, words: str) -> None:
    with pytest.raises(StartFailed, match=words):
        found(written(tmp_path, user, far))


@pytest.mark.parametrize(("text", "words"), [("{", "cannot be read"), ("[]", "no kubeconfig"), ("{}", "no context")])
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(StartFailed, match=words):
        found({"KUBECONFIG": str(tmp_path / "config")})


def test_of_several_files_the_first_that_says_it_counts(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_text(json.dumps({"users": [{"name": "me", "user": {"tokenFile": "/first"}}]}))
    both = written(tmp_path)["KUBECONFIG"]
    cluster = found({"KUBECONFIG": f"{first}:{both}:{tmp_path}/none"})
    assert cluster.token.renews


async def test_a_pod_is_in_its_own_cluster(tmp_path: Path, pair: tuple[bytes, bytes]) -> None:
    for name, content in (("token", b"of the pod"), ("namespace", b"agents"), ("ca.crt", pair[0])):
        (tmp_path / name).write_bytes(content)
    inside = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    cluster: Cluster = found(inside, tmp_path)
    assert (cluster.server, cluster.namespace) == ("https://[fd00::1]:443", "agents")
    assert await cluster.token.current() == "of the pod"


def test_the_usual_file_is_the_last_that_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="no Kubernetes cluster is configured"):
        found({"HOME": str(tmp_path)}, tmp_path)
    (tmp_path / ".kube").mkdir()
    written(tmp_path / ".kube")
    assert found({"HOME": str(tmp_path)}, tmp_path / "none").namespace == "servers"
