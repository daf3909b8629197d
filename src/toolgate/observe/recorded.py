"""What is kept of a call: who called what, how it ended, how long it took; never its arguments or its result."""

import msgspec

__all__ = ["Recorded"]


class Recorded(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One call, as the stage `record` saw it end.

    `at` is when it came, in seconds since the epoch; `seconds` is how long it took. `name` is what the server itself
    calls the tool or prompt, or a URI. `team` names the caller's teams, with commas between.

    `outcome` is `ok`, `failed` (a tool that says `isError`), `error` (a JSON-RPC error of the server), `cancelled`, or
    the code of one of our own errors (`deadline-exceeded`, `rate-limited`, …). `sent` and `received` are the bytes of
    the request and of the result. `trace` is the id of its trace in hexadecimal, empty where none was taken. `cached`:
    the server was not asked.
    """

    at: float
    seconds: float
    request: str
    principal: str
    principal_name: str
    team: str
    method: str
    server: str
    name: str
    era: str
    outcome: str
    sent: int = 0
    received: int = 0
    trace: str = ""
    cached: bool = False
