"""Nothing comes through where a runtime says that it is enforced; what a runtime can't stop, its report says."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.attack import ATTACKS, Attack
from tests.attacks.runner import living
from tests.attacks.world import PLACE
from tests.parts.where import ROOT
from tests.runtime.unprivileged import unprivileged
from toolgate.model.profile import Wall

IDENTITIES = ("root", "stranger") if os.geteuid() == 0 else ("myself",)
RUNTIMES = [(name, identity) for name in ("bubblewrap", "landlock") for identity in IDENTITIES]
WALLED = pytest.mark.parametrize("walled", RUNTIMES, ids="-".join)
CONTROLLED = [attack for attack in ATTACKS if attack.control and (os.geteuid() == 0 or not attack.root)]
GONE = 3.0  # seconds after a SIGKILL

Ran = Callable[[str, str], dict[str, Any]]


def command(runtime: str, identity: str, what: str, shown: str) -> list[str]:
    program = [sys.executable, "-m", "tests.attacks.runner", runtime, what, shown]
    return unprivileged(*program) if identity == "stranger" else program


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "MARK": f"mark-{secrets.token_hex(8)}"}


@pytest.fixture(scope="module")
def ran() -> Ran:
    """What came of all attacks under a runtime, as somebody; each pair runs once."""

    @cache
    def run(runtime: str, identity: str) -> dict[str, Any]:
        result = subprocess.run(
            command(runtime, identity, "attack", f"shown-{secrets.token_hex(8)}"),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(),
            timeout=100,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    return run


@pytest.mark.parametrize("attack", CONTROLLED, ids=lambda attack: attack.name)
def test_the_attack_works_where_nothing_stops_it(attack: Attack, ran: Ran) -> None:
    said = ran("process", IDENTITIES[0])["attacks"][attack.name]
    assert said["through"], said["detail"]


@WALLED
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_comes_through_is_in_the_report(attack: Attack, walled: tuple[str, str], ran: Ran) -> None:
    told = ran(*walled)
    finding = told["report"][attack.wall]
    if told["attacks"][attack.name]["through"]:
        assert finding["grade"] != "enforced", f"{attack.name} came through {attack.wall}"
        assert finding["reason"]


@WALLED
def test_every_attack_ran_or_ended_its_own_start_alone(walled: tuple[str, str], ran: Ran) -> None:
    said = ran(*walled)["attacks"]
    silent = [
        attack.name for attack in ATTACKS if not attack.alone and "it said nothing" in said[attack.name]["detail"]
    ]
    assert silent == []


@WALLED
def test_every_wall_is_in_the_report(walled: tuple[str, str], ran: Ran) -> None:
    report = ran(*walled)["report"]
    assert set(report) == set(Wall)
    assert all(finding["reason"] for finding in report.values() if finding["grade"] != "enforced")


def test_what_left_its_session_lives_on_without_walls(ran: Ran) -> None:
    escape = ran("process", IDENTITIES[0])["escape"]
    assert escape == {"there": True, "left": 1}


@WALLED
def test_what_left_its_session_is_gone_when_its_server_is_stopped(walled: tuple[str, str], ran: Ran) -> None:
    told = ran(*walled)
    assert told["escape"]["there"]
    assert told["escape"]["left"] == 0 or told["report"][Wall.ORPHANS]["grade"] != "enforced"


@WALLED
def test_nothing_outlives_a_gateway_that_was_killed(walled: tuple[str, str], ran: Ran) -> None:
    name = f"escaped-{secrets.token_hex(8)}"
    with subprocess.Popen(
        command(*walled, "die", name), stdout=subprocess.PIPE, cwd=ROOT, env=environment(), text=True
    ) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == "{}\n"
        while len(living(name)) < 2:  # the gateway, whose command line names it, and what escaped
            time.sleep(0.01)
        gateway.kill()
    for left_behind in Path(PLACE).glob(f"toolgate-attacks-{gateway.pid}-*"):
        shutil.rmtree(left_behind)
    until = time.monotonic() + GONE
    while (left := living(name)) and time.monotonic() < until:
        time.sleep(0.01)
    assert left == [] or ran(*walled)["report"][Wall.ORPHANS]["grade"] != "enforced"
