"""What a person is told of what the API server refuses."""

import pytest

from toolgate.runtime.kubernetes.refusals import Refused, Unreachable, failed


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (Unreachable("Connect call failed"), "cannot be reached: Connect call failed", "KUBECONFIG"),
        (Refused(401), "does not accept the gateway's credentials", "renew"),
        (Refused(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: a, used: b'), "exceeded quota: a", "raise"),
        (Refused(403, "Forbidden", 'x violates PodSecurity "restricted"'), 'does not take its pod: PodSecurity "r', ""),
        (Refused(403, "Forbidden", 'User "u" cannot create resource "pods"'), "cannot create", "runner-role.yaml"),
        (Refused(403, "Forbidden", "denied by a webhook"), "refuses its pod: denied by a webhook", ""),
        (Refused(404, "NotFound", 'namespaces "x" not found'), 'namespaces "x" not found', "create the namespace"),
        (Refused(422, "Invalid", "spec.containers[0].env"), "does not take its pod: spec.containers", ""),
        (Refused(503), "does not take its pod: it answered 503", ""),
    ],
)
def test_each_has_words_and_says_what_to_do(error: Refused | Unreachable, words: str, hint: str) -> None:
    told = failed(error, "its pod")
    assert words in told.message
    assert hint in told.hint


def test_when_to_ask_again_is_in_the_head_or_in_the_status() -> None:
    status = {"message": "later", "details": {"retryAfterSeconds": 2}}
    assert Refused.of(429, status).wait == 2
    assert Refused.of(429, status, "3").wait == 3
