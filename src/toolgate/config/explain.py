"""What pydantic found, in words for a person: file, line, field, reason. Never the value: it may be a secret."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from toolgate.config.reader import Location, Parsed, dotted
from toolgate.errors import ConfigError

__all__ = ["explain"]

MAX_LISTED: Final = 10
ENVIRONMENT: Final = "environment"

_REASONS: Final = {
    "missing": "is missing",
    "model_type": "should be a mapping",
    "mapping_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "finite_number": "should be a finite number",
    "string_too_short": "is empty",
}


def explain(
    error: ValidationError, model: type[BaseModel], parsed: Parsed, file: str, origins: Mapping[Location, str]
) -> ConfigError:
    """One error for the first fault; its hint lists the others. `origins` says what environment variables set."""
    faults = [_fault(details, model, parsed, file, origins) for details in error.errors(include_url=False)]
    faults.sort(key=lambda fault: fault.line)
    first, others = faults[0], faults[1:]
    if not others:
        return first
    listed = [str(other) for other in others[:MAX_LISTED]]
    if len(others) > MAX_LISTED:
        listed.append(f"and {len(others) - MAX_LISTED} more")
    hint = "\n".join([first.hint] * bool(first.hint) + ["also:", *listed])
    return ConfigError(first.reason, file=first.file, line=first.line, field=first.field, hint=hint)


def _fault(
    details: Mapping[str, Any], model: type[BaseModel], parsed: Parsed, file: str, origins: Mapping[Location, str]
) -> ConfigError:
    location: Location = tuple(step for step in details["loc"] if step != "[key]")
    for end in range(len(location), 0, -1):
        if variable := origins.get(location[:end]):
            return ConfigError(_reason(details), file=ENVIRONMENT, field=variable)
    hint = ""
    if details["type"] == "flaw":
        location += tuple(details["ctx"]["field"].partition("[")[0].split(".", 1))
    reason = _reason(details)
    if details["type"] == "extra_forbidden":
        reason = "there is no such setting"
        if matches := get_close_matches(str(location[-1]), _settings(model, location[:-1]), 1):
            reason += f"; did you mean `{matches[0]}`?"
    elif details["type"] == "missing" and location == ("version",):
        hint = "begin the file with `version: 1`"
    return ConfigError(reason, file=file, line=parsed.line(location), field=dotted(location), hint=hint)


def _reason(details: Mapping[str, Any]) -> str:
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    reason = _REASONS.get(details["type"]) or str(details["msg"])
    return reason.replace("Input should", "should")


def _settings(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The settings that the model has at a place in the document."""
    for step in location:
        info = model.model_fields.get(str(step))
        if info is not None and (inner := _model_in(info.annotation)) is not None:
            model = inner
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as `Mapping[str, ServerEntry]` or `tuple[Pick, ...]` is about."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
