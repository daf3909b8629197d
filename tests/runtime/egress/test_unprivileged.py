"""Whoever runs the gateway, and whomever root runs a server as."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.runtime.egress.conftest import Run
from tests.runtime.egress.origin import outside
from tests.runtime.egress.sandbox import sandboxed
from toolgate.runtime.egress.egress import Egress

NOBODY = 54717
HERE = Path(__file__).parents[3]
SHOWN = (HERE, Path(sys.prefix), Path(sys.base_prefix))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of nobody, where nobody can get to."""
    made = Path(mkdtemp())
    os.chown(made, NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def test_a_server_that_root_runs_as_another_user_has_its_way_out(run: Run, certificate: Path) -> None:
    async def scenario() -> None:
        async with outside(certificate) as world:
            egress = Egress(["api.example.com", "10.0.0.5:80"], print, resolve=world.resolve, dial=world.dial)
            script = (
                'for h in api.example.com 10.0.0.5; do exec 3<>"/dev/tcp/$h/80";'
                'printf "GET / HTTP/1.1\\r\\nHost: $h\\r\\n\\r\\n" >&3; IFS= read -r status <&3; echo "$status"; done'
            )
            async with sandboxed(egress, "bash", "-c", script, user=NOBODY if os.geteuid() == 0 else 0) as inside:
                assert await inside.said() == "HTTP/1.1 200 OK\r\n" * 2

    run(scenario())


CHOSEN = "(urllib and uvloop) or (private and asyncio) or dies or sni or (not_entered and uvloop)"
DROPPED = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
)
WEAK = ("setpriv", "--inh-caps=-sys_admin,-sys_ptrace", "--bounding-set=-sys_admin,-sys_ptrace")


@pytest.mark.parametrize(
    ("identity", "tests", "chosen"),
    [(DROPPED, "test_sandboxed.py", CHOSEN), (WEAK, "test_unprivileged.py", "another_user and asyncio")],
    ids=["nobody", "root without its rights"],
)
def test_whoever_runs_the_gateway_gives_the_same_way_out(
    identity: tuple[str, ...], tests: str, chosen: str, folder: Path
) -> None:
    if os.geteuid() != 0:
        return  # only root can become somebody else
    shown = {path: closed for path in SHOWN if (closed := _closed(path))}
    view = [part for closed in set(shown.values()) for part in ("--perms", "0755", "--tmpfs", str(closed))]
    for path, closed in shown.items():
        between = [each for each in reversed(path.parents) if closed in each.parents]
        view += [part for each in between for part in ("--perms", "0755", "--dir", str(each))]
        view += ["--ro-bind", str(path), str(path)]
    finished = subprocess.run(
        (
            *("bwrap", "--dev-bind", "/", "/", *view, "--cap-add", "ALL", "--chdir", str(HERE), "--", *identity, "--"),
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'tests'}"),
            *(f"tests/runtime/egress/{tests}", "-k", chosen),
        ),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def _closed(path: Path) -> Path | None:
    """The first folder on the way to `path` that not everybody may enter."""
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & 1), None)
