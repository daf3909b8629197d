"""What the words of a pod's status come to."""

from typing import Any

import pytest

from toolgate.runtime.kubernetes.state import Ended, Failed, State, Waiting, Working, state_of


def pod(phase: str = "Pending", **state: Any) -> dict[str, Any]:
    return {"status": {"phase": phase, "containerStatuses": [{"name": "server", "state": state}]}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return pod(waiting={"reason": reason, "message": message})


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({}, Waiting()),
        (waits("ContainerCreating"), Waiting("ContainerCreating")),
        (waits("ErrImagePull", "denied"), Waiting("ErrImagePull: denied", tried=True)),
        (pod("Running", running={"startedAt": "now"}), Working()),
        (pod("Succeeded", terminated={"exitCode": 0}), Ended("exited with code 0")),
        (pod("Failed", terminated={"exitCode": 3}), Ended("exited with code 3")),
        (pod("Failed", terminated={"exitCode": 137}), Ended("was killed by SIGKILL")),
        (pod("Failed", terminated={"exitCode": 139}), Ended("was killed by SIGSEGV")),
        (
            pod("Failed", terminated={"exitCode": 137, "reason": "OOMKilled"}),
            Ended("was killed: it used more than its `memory`"),
        ),
        (
            {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}},
            Ended("its pod failed: Evicted: The node was low on memory."),
        ),
        (
            {"status": {"phase": "Failed", "reason": "UnexpectedAdmissionError"}, "spec": {"nodeName": "node"}},
            Ended("its pod failed: UnexpectedAdmissionError"),
        ),
    ],
)  # fmt: skip
def test_a_state_is_told(seen: dict[str, Any], state: State) -> None:
    assert state_of(seen) == state


@pytest.mark.parametrize(
    "reason", ["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff"]
)
def test_what_waiting_does_not_mend_has_failed(reason: str) -> None:
    state = state_of(waits(reason, "because"))
    assert isinstance(state, Failed)
    assert f"{reason}: because" in state.reason


def test_a_command_that_is_not_in_the_image_has_failed() -> None:
    state = state_of(pod("Failed", terminated={"exitCode": 128, "reason": "StartError", "message": "no such file"}))
    assert isinstance(state, Failed)
    assert "no such file" in state.reason


def test_a_pod_without_a_node_says_what_the_scheduler_says() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert state_of({"status": {"phase": "Pending", "conditions": [condition]}}) == Waiting("Unschedulable: 0/3 nodes")
