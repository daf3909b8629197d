"""How a command ends: its exit code, and how an error is shown."""

import json
from typing import IO, Any, Final

import click

from toolgate.errors import ConfigError, ToolgateError

__all__ = [
    "CONFIG_INVALID",
    "EXIT_CODES",
    "FAILED",
    "NOT_RUNNING",
    "OK",
    "TOOL_ERROR",
    "Failure",
    "GatewayMissingError",
]

OK: Final = 0
FAILED: Final = 1
NOT_RUNNING: Final = 3
CONFIG_INVALID: Final = 4
TOOL_ERROR: Final = 5

EXIT_CODES: Final = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no gateway is running, 4 the configuration is invalid, "
    "5 the tool answered with an error."
)


class GatewayMissingError(ToolgateError):
    """No gateway is running, or it does not answer."""

    code = "not-running"


class Failure(click.ClickException):
    """A `ToolgateError` on its way to the person: on standard error, and as JSON on standard output with `--json`."""

    def __init__(self, error: ToolgateError, *, as_json: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.exit_code = _exit_code(error)  # type: ignore[misc]  # click itself reads it from the instance
        self._as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        if self._as_json:
            body = {"code": self.error.code, "message": self.error.message, "hint": self.error.hint}
            click.echo(json.dumps({"error": body}, ensure_ascii=False, indent=2))
            return
        click.echo(f"error: {self.error.message}", err=True, file=file)
        if self.error.hint:
            click.echo(f"  try: {self.error.hint}", err=True, file=file)


def _exit_code(error: ToolgateError) -> int:
    if isinstance(error, ConfigError):
        return CONFIG_INVALID
    return NOT_RUNNING if isinstance(error, GatewayMissingError) else FAILED
