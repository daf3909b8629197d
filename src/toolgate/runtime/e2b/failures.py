"""What went wrong with E2B, in words for a person."""

from collections.abc import Callable, Mapping
from typing import Final

from toolgate.errors import NoRoom, StartFailed
from toolgate.runtime.e2b.access import KEY

__all__ = ["NO_KEY", "failed", "is_gone", "is_late", "is_refused", "lost", "missing", "was_refused"]

INSTALL: Final = "pip install 'toolgate[e2b]'"
NO_KEY: Final = f"{KEY} is not set"
_LENGTH: Final = 300
_KEYS: Final = "https://e2b.dev/dashboard?tab=keys"
_REFUSED: Final = frozenset((400, 403, 404, 409))

# By name, since they come from the SDK, from what it is built on and from Python, and some are no `SandboxException`.
_KINDS: Final[Mapping[str, Callable[[str], StartFailed]]] = {
    "AuthenticationException": lambda _: StartFailed(
        "E2B does not accept the key", hint=f"set {KEY} to a key of your team: {_KEYS}"
    ),
    "RateLimitException": lambda text: NoRoom(
        f"E2B gives no more sandboxes now: {text}", hint="stop servers that run there, or ask E2B for a higher limit"
    ),
    "ServiceBusyException": lambda text: NoRoom(f"E2B has no room now: {text}", hint="try again in a moment"),
    "SandboxNotRunningException": lambda _: StartFailed("its sandbox is gone", hint="start it again"),
    "SandboxNotFoundException": lambda _: StartFailed("its sandbox is gone", hint="start it again"),
    "TemplateException": lambda _: StartFailed(
        "its template is too old for the E2B SDK", hint="build the template anew: e2b template build"
    ),
    "TimeoutException": lambda _: _late(),
    "TimeoutError": lambda _: _late(),
    "TransportError": lambda _: _unreachable(),
    "OSError": lambda _: _unreachable(),
    "Exception": lambda text: StartFailed(f"E2B: {text}"),
}
_NOTHING: Final = frozenset({"AuthenticationException", "RateLimitException", "ConnectError", "ConnectionError"})
_GONE: Final = frozenset({"SandboxNotRunningException", "SandboxNotFoundException"})


def failed(error: Exception, template: str = "") -> StartFailed:
    """`template` is what a sandbox was to be made of, where that may be the reason."""
    if isinstance(error, StartFailed):
        return error
    text = _text(error)
    if template and getattr(error, "status_code", None) in _REFUSED and "template" in text.lower():
        return StartFailed(
            f"E2B has no template {template} for this key: {text}",
            hint="correct `template` under its `sandbox`; e2b template list shows yours",
        )
    return next(_KINDS[name](text) for name in _names(error) if name in _KINDS)


def lost(error: Exception) -> str:
    """Why a command that ran is heard of no more."""
    if is_gone(error):
        return "its sandbox is gone: it was killed, or its time was over"
    return f"the connection to its sandbox was lost ({type(error).__name__})"


def is_gone(error: Exception) -> bool:
    return not _GONE.isdisjoint(_names(error))


def is_late(error: Exception) -> bool:
    """Whether an answer did not come in time; others that the SDK derives from the same say more."""
    return type(error).__name__ == "TimeoutException"


def is_refused(error: Exception) -> bool:
    """Whether the service knows what was asked and does not do it."""
    return getattr(error, "status_code", None) in _REFUSED


def was_refused(error: BaseException) -> bool:
    """Whether surely nothing came of what was asked."""
    return getattr(error, "status_code", None) in _REFUSED or not _NOTHING.isdisjoint(_names(error))


def missing(error: ImportError) -> StartFailed:
    return StartFailed(f"the E2B SDK is not installed ({error.name})", hint=INSTALL)


def _late() -> StartFailed:
    return StartFailed("E2B did not answer in time", hint="https://status.e2b.dev says how it is")


def _unreachable() -> StartFailed:
    hint = "is there a network here? E2B_DOMAIN and E2B_API_URL say where it is"
    return StartFailed("E2B cannot be reached", hint=hint)


def _names(error: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]


def _text(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_LENGTH] if lines else type(error).__name__
