"""Checking what was sent against a model; saying where it is wrong, and never what stood there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import QueryParams

from firstboot.errors import InvalidValue
from firstboot_plugins.admin.failures import Failure, Fault

MAX_FAULTS = 20
_NO_TEXT = "A text may not have U+0000 in it."
# Pydantic quotes a part of the input in these.
_PLAIN_MESSAGES = {
    "uuid_parsing": "Input should be a UUID",
    "union_tag_invalid": "Input is of no type that is known here",
    "extra_forbidden": "There is no such field",
    "value_error": "Input is not usable here",
}


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what checks and describes a type."""
    return TypeAdapter(kind)


def checked_body(kind: Any, value: object) -> Any:
    """Return ``value`` as the type.

    Raises: `Failure` with JSON paths.
    """
    try:
        return adapter(kind).validate_python(value)
    except ValidationError as error:
        faults = _faults(error, _json_path)
    raise _bad("The request body is not as it should be", faults)


def checked_query(kind: type[BaseModel], sent: QueryParams) -> Any:
    """Return the query as the model.

    Raises: `Failure` with the names of parameters; also for one that is given twice and is no list.
    """
    lists = _lists(kind)
    values: dict[str, str | list[str]] = {name: sent.getlist(name) for name in lists if name in sent}
    for name, value in sent.multi_items():
        _refuse_nul(name, value)
        if name in lists:
            continue
        if name in values:
            raise _bad("The query is not as it should be", [Fault(_shown(name), "It is given twice")])
        values[name] = value
    try:
        return adapter(kind).validate_python(values)
    except ValidationError as error:
        faults = _faults(error, lambda location: ".".join(map(_shown, location)))
    raise _bad("The query is not as it should be", faults)


@cache
def _lists(kind: type[BaseModel]) -> frozenset[str]:
    """Return the parameters that may be given several times."""
    fields = kind.model_fields.items()
    return frozenset(field.alias or name for name, field in fields if get_origin(field.annotation) is list)


def checked_path(kinds: Mapping[str, type], sent: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the parameters of a path, those that are UUIDs as such.

    Raises: `Failure`.
    """
    values: dict[str, Any] = {}
    for name, kind in kinds.items():
        text = sent[name]
        _refuse_nul(name, text)
        values[name] = _uuid(name, text) if kind is UUID else text
    return values


def _uuid(name: str, text: str) -> UUID:
    # Python also takes UUIDs in braces, as URN and without hyphens; one thing has one address.
    if len(text) == 36:
        try:
            return UUID(text)
        except ValueError:
            pass
    raise _bad("The path is not as it should be", [Fault(name, "Input should be a UUID")])


def _refuse_nul(name: str, text: str) -> None:
    if "\0" in text or "\0" in name:
        raise InvalidValue(_NO_TEXT)


def _bad(what: str, faults: Sequence[Fault]) -> Failure:
    told = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:3])
    return Failure(400, f"{what}: {told}.", code="invalid-value", faults=faults)


def _faults(error: ValidationError, path: Any) -> list[Fault]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        Fault(path(each["loc"]), _PLAIN_MESSAGES.get(each["type"], each["msg"])) for each in found[:MAX_FAULTS]
    ]


def _json_path(location: Sequence[int | str]) -> str:
    path = "$"
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if step.isidentifier() else f"[{json.dumps(_shown(step))}]"
    return path


def _shown(name: int | str) -> str:
    """Return a name that the asker may have made up, short and without control characters."""
    text = str(name)[:64]
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
