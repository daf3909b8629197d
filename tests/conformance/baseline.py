"""The checks that may fail through Toolgate, by the era of the server and the revision of the client, with reasons;
and those that may fail where Toolgate is the client."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.conformance.suite import Outcome

__all__ = ["allowed", "differences"]

_BASELINE: Final = Path(__file__).with_name("baseline.json")


@cache
def _baseline() -> Mapping[str, Any]:
    """Era (or `client`) → revision → scenario → the `reason`, and the `checks` that it holds for."""
    baseline: Mapping[str, Any] = json.loads(_BASELINE.read_text())
    return baseline


def allowed(era: str, revision: str) -> Mapping[str, frozenset[str]]:
    """The checks by scenario."""
    entries = _baseline().get(era, {}).get(revision, {})
    return {scenario: frozenset(entry["checks"]) for scenario, entry in entries.items()}


def differences(outcome: Outcome, era: str, revision: str) -> list[str]:
    """What fails and is not in the baseline, and what is in it and does not fail any more, in words."""
    entries = allowed(era, revision)
    known = {(scenario, check) for scenario in outcome for check in entries.get(scenario, ())}
    failed = {(scenario, fault.check): fault for scenario, faults in outcome.items() for fault in faults}
    fails = [f"fails: {scenario}: {failed[scenario, check]}" for scenario, check in sorted(failed.keys() - known)]
    passes = [
        f"passes now, so take it out of {_BASELINE.name}: {scenario}: {check}"
        for scenario, check in sorted(known - failed.keys())
    ]
    return fails + passes
