"""The OpenAPI document of every route that the server has, made from the operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter

from firstboot import __version__
from firstboot_plugins.admin.device_side import DEVICE_PATHS
from firstboot_plugins.admin.failures import Dialect
from firstboot_plugins.admin.operation import ANY_SCOPE, Operation
from firstboot_plugins.admin.validation import adapter

REF = "#/components/schemas/{model}"
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"xAuthorization": []}]
_SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of `POST /api/auth/login`, or an API token.",
    },
    "xAuthorization": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Authorization",
        "description": "The same as ThingsBoard's clients send it: `Bearer TOKEN`.",
    },
}
_TOO_LONG: dict[str, Any] = {
    "description": "The path and the query are too long.",
    "content": {"application/json": {"schema": {"$ref": REF.format(model="TransportError")}}},
}
_TRANSPORT_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "What is no request, or too large for one, is answered before anybody looks at its path.",
    "required": ["status", "message"],
    "properties": {"status": {"type": "integer"}, "message": {"type": "string"}},
}

Mode = Literal["validation", "serialization"]


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the document, version 3.1."""
    listed = list(operations)
    schemas = _Schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for each in listed:
        paths.setdefault(each.route_path, {})[each.method.lower()] = _described(each, schemas)
    for path, item in DEVICE_PATHS.items():
        paths.setdefault(path, {}).update(item)
    forms = [form for each in listed for form in each.dialect.errors.values()]
    errors = {"TransportError": _TRANSPORT_ERROR, **{form.name: dict(form.schema) for form in forms}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Firstboot",
            "version": __version__,
            "description": "The administrators' REST API, and the device's side of HTTP.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted({**schemas.definitions, **errors}.items())),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


class _Schemas:
    """JSON schemas of all types that the operations take and answer."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[tuple[Any, Mode], TypeAdapter[Any]] = {}
        for each in operations:
            for kind, mode in _kinds(each):
                wanted[kind, mode] = adapter(kind)
        inputs = [(key, key[1], kind) for key, kind in wanted.items()]
        made, shared = TypeAdapter.json_schemas(inputs, ref_template=REF)
        self._made: Mapping[Any, Any] = made
        self.definitions: dict[str, Any] = dict(shared.get("$defs", {}))

    def of(self, kind: Any, mode: Mode) -> dict[str, Any]:
        return dict(self._made[(kind, mode), mode])

    def properties(self, kind: Any) -> tuple[Mapping[str, Any], set[str]]:
        """Return the fields of a query model and which of them must be given."""
        schema = self.of(kind, "validation")
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        return schema.get("properties", {}), set(schema.get("required", ()))


def _kinds(operation: Operation) -> Iterable[tuple[Any, Mode]]:
    for kind in (operation.query, operation.body):
        if kind is not None:
            yield kind, "validation"
    if operation.answers is not None:
        yield operation.answers, "serialization"


def _described(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [] if operation.access is None else _SECURITY,
        "responses": _responses(operation, schemas),
    }
    about = [operation.description, _who(operation)]
    described["description"] = "\n\n".join(filter(None, about))
    parameters = [*_path_parameters(operation), *_query_parameters(operation, schemas)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = schemas.of(operation.body, "validation")
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _who(operation: Operation) -> str:
    if operation.access is None:
        return "Needs no login."
    people = ", ".join(sorted(operation.access.authorities))
    scope = operation.access.scope
    if scope == ANY_SCOPE:
        tokens = "every API token"
    else:
        tokens = f"API tokens with the scope `{scope}`" if scope else "no API tokens"
    return f"For {people}; {tokens}."


def _path_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name, kind in operation.parameters.items():
        schema = {"type": "string", "format": "uuid"} if kind is UUID else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(operation: Operation, schemas: _Schemas) -> Iterable[dict[str, Any]]:
    if operation.query is None:
        return
    properties, required = schemas.properties(operation.query)
    for name, schema in properties.items():
        yield {"name": name, "in": "query", "required": name in required, "schema": schema}


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.answers is not None:
        schema = schemas.of(operation.answers, "serialization")
        good["content"] = {operation.media_type: {"schema": schema}}
    responses = {str(operation.status): good, "default": _error(operation.dialect)}
    if operation.query is not None:
        responses["414"] = _TOO_LONG
    return responses


def _error(dialect: Dialect) -> dict[str, Any]:
    content = {
        media_type: {"schema": {"$ref": REF.format(model=form.name)}}
        for media_type, form in dialect.errors.items()
    }
    return {"description": "An error.", "content": content}
