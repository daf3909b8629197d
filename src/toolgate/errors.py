"""Every error that Toolgate raises on purpose.

    ToolgateError
    ├── ConfigError                 a document that cannot be used: file, line, field, reason
    ├── SecretMissing               a reference that no store can answer
    │   └── VaultLocked             the vault's master key is missing, wrong, or what it sealed was changed
    ├── StoreError                  the database cannot be opened or used
    ├── AccessError
    │   ├── Unauthenticated         no key, or one that is unknown, expired or revoked
    │   └── Forbidden               a foreign Host or Origin, or a caller without the right
    ├── RateLimited                 429: a caller, a tool, a server or all of them had their share
    │   └── Overloaded              503: as many calls are under way as the gateway carries
    ├── ProtocolError               what a client sent breaks the protocol
    │   ├── ParseError              -32700
    │   ├── InvalidRequest          -32600
    │   ├── MethodNotFound          -32601
    │   ├── InvalidParams           -32602
    │   │   └── NotListed           a name that no server offers
    │   ├── HeaderMismatch          -32020
    │   ├── MissingCapability       -32021
    │   ├── UnsupportedVersion      -32022
    │   ├── RequestTooLarge
    │   ├── NotAcceptable           406: media types that cannot be served
    │   ├── NotFound                404: no such endpoint
    │   ├── Conflict                409: it is there already, or was asked for otherwise before
    │   └── SessionUnknown          404: a legacy session that ended or never was
    ├── UpstreamError               a server could not answer
    │   ├── ServerUnavailable       it is down, or starting for too long
    │   ├── Stopped                 a person has stopped it
    │   ├── StartFailed             why one attempt to reach it failed
    │   ├── NoRoom                  as many servers run as may
    │   ├── SignInNeeded            it answers 401 or 403
    │   ├── DeadlineExceeded
    │   ├── ResponseTooLarge
    │   ├── BrokenReply             what it sent is not MCP
    │   └── EraMismatch             the answer cannot be expressed in the client's revision
    ├── SlowClient                  a client that does not read what it asked for
    ├── CannotAsk                   a server's question that cannot be brought to a client
    ├── AuditFull                   calls can not be recorded, so none are let in
    └── Draining                    the gateway is stopping

Codes of our own stand outside the range that JSON-RPC reserves (-32768 to -32000), as revision 2026-07-28, Overview,
Error Codes asks.
"""

from typing import Any, ClassVar

__all__ = [
    "AccessError",
    "AuditFull",
    "BrokenReply",
    "CannotAsk",
    "ConfigError",
    "Conflict",
    "DeadlineExceeded",
    "Draining",
    "EraMismatch",
    "Forbidden",
    "HeaderMismatch",
    "InvalidParams",
    "InvalidRequest",
    "MethodNotFound",
    "MissingCapability",
    "NoRoom",
    "NotAcceptable",
    "NotFound",
    "NotListed",
    "Overloaded",
    "ParseError",
    "ProtocolError",
    "RateLimited",
    "RequestTooLarge",
    "ResponseTooLarge",
    "SecretMissing",
    "ServerUnavailable",
    "SessionUnknown",
    "SignInNeeded",
    "SlowClient",
    "StartFailed",
    "Stopped",
    "StoreError",
    "ToolgateError",
    "Unauthenticated",
    "UnsupportedVersion",
    "UpstreamError",
    "VaultLocked",
]


class ToolgateError(Exception):
    """Base of all. `code` is stable and names the kind; `hint` says what to do next; neither ever holds a secret."""

    code: ClassVar[str] = "internal"
    rpc: ClassVar[int] = -32603
    http: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def data(self) -> dict[str, Any]:
        """The `data` member of the JSON-RPC error."""
        data: dict[str, Any] = {"code": self.code, **self.details}
        if self.hint:
            data["hint"] = self.hint
        return data


class ConfigError(ToolgateError):
    """A document that cannot be used. `line` counts from 1; 0 where the reason has no line."""

    code = "config-invalid"

    def __init__(self, reason: str, *, file: str, line: int = 0, field: str = "", hint: str = "") -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {field}: {reason}" if field else f"{place}: {reason}", hint=hint)
        self.reason = reason
        self.file = file
        self.line = line
        self.field = field


class SecretMissing(ToolgateError):
    code = "secret-missing"


class VaultLocked(SecretMissing):
    code = "vault-locked"


class StoreError(ToolgateError):
    code = "store-unusable"


class AccessError(ToolgateError):
    rpc = -31010


class Unauthenticated(AccessError):
    code = "unauthenticated"
    http = 401


class Forbidden(AccessError):
    code = "forbidden"
    rpc = -31011
    http = 403


class RateLimited(ToolgateError):
    """`retry_after` is in seconds; `details` name the `limit`, and `of` whom or what it is."""

    code = "rate-limited"
    rpc = -31012
    http = 429

    def __init__(self, message: str, *, retry_after: float, hint: str = "", **details: Any) -> None:
        super().__init__(message, hint=hint, **details, retry_after=retry_after)
        self.retry_after = retry_after


class Overloaded(RateLimited):
    code = "overloaded"
    rpc = -31032
    http = 503


class ProtocolError(ToolgateError):
    http = 400

    def data(self) -> dict[str, Any]:
        """Only what the specification defines, and a hint where we have one: clients compare `data` with its schema."""
        return {**self.details, "hint": self.hint} if self.hint else self.details


class ParseError(ProtocolError):
    code = "parse-error"
    rpc = -32700


class InvalidRequest(ProtocolError):
    code = "invalid-request"
    rpc = -32600


class MethodNotFound(ProtocolError):
    code = "method-not-found"
    rpc = -32601
    http = 404


class InvalidParams(ProtocolError):
    code = "invalid-params"
    rpc = -32602


class NotListed(InvalidParams):
    """2025-11-25 and 2026-07-28, Tools, Error Handling: an unknown tool is -32602."""


class HeaderMismatch(ProtocolError):
    code = "header-mismatch"
    rpc = -32020


class MissingCapability(ProtocolError):
    code = "missing-capability"
    rpc = -32021


class UnsupportedVersion(ProtocolError):
    code = "unsupported-version"
    rpc = -32022


class RequestTooLarge(ProtocolError):
    code = "request-too-large"
    rpc = -31020
    http = 413


class NotAcceptable(ProtocolError):
    code = "not-acceptable"
    rpc = -32600
    http = 406


class NotFound(ProtocolError):
    code = "not-found"
    rpc = -31022
    http = 404


class Conflict(ProtocolError):
    code = "conflict"
    rpc = -31024
    http = 409


class SessionUnknown(ProtocolError):
    code = "session-unknown"
    rpc = -31023
    http = 404


class UpstreamError(ToolgateError):
    """`details` always names the `server`."""

    http = 200  # the HTTP exchange with the gateway itself went well


class ServerUnavailable(UpstreamError):
    code = "server-unavailable"
    rpc = -31001


class Stopped(ServerUnavailable):
    code = "server-stopped"


class StartFailed(ServerUnavailable):
    code = "start-failed"


class NoRoom(StartFailed):
    code = "no-room"


class SignInNeeded(StartFailed):
    code = "sign-in-needed"


class DeadlineExceeded(UpstreamError):
    code = "deadline-exceeded"
    rpc = -31002


class ResponseTooLarge(UpstreamError):
    code = "response-too-large"
    rpc = -31003


class BrokenReply(UpstreamError):
    code = "broken-reply"
    rpc = -31004


class EraMismatch(UpstreamError):
    code = "era-mismatch"
    rpc = -31005


class SlowClient(ToolgateError):
    code = "slow-client"
    rpc = -31021


class CannotAsk(ToolgateError):
    """Told to the server that asked, in the words that a client without the feature uses."""

    code = "cannot-ask"
    rpc = -32601


class AuditFull(ToolgateError):
    code = "audit-full"
    rpc = -31031
    http = 503


class Draining(ToolgateError):
    code = "draining"
    rpc = -31030
    http = 503
