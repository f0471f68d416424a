"""The OpenAPI document is valid, and says something of every route that the server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route
from tests.harness import TestServer, environment, firstboot

from firstboot_plugins.admin.openapi import document
from firstboot_plugins.admin.registry import operations

DOCUMENT = document(operations())
OF_OTHERS = ("claim-page", "thinger")
"""Plugins whose routes are a page's own, or another platform's: ``docs/reference/thinger.md`` has those."""
METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")


def _nameless(path: str) -> str:
    """Return a path whose parameters have no names: those are each side's own."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def _documented() -> set[tuple[str, str]]:
    return {
        (method.upper(), _nameless(path))
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        if method in item
    }


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


async def test_the_document_covers_every_route_and_no_other(server: TestServer) -> None:
    services = server.services
    offers = services.plugins.offers("firstboot_http_routes", config=services.config, services=services)
    routes = {
        (method, _nameless(offer.path))
        for plugin, offer in offers
        if isinstance(offer, Route) and plugin not in OF_OTHERS
        for method in offer.methods or ()
        if method != "HEAD"
    }

    assert _documented() == routes


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for member in value.values():
                yield from references(member)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert set(references(DOCUMENT)) <= known


def test_every_call_has_words_a_name_of_its_own_and_an_error_form() -> None:
    described = [item[method] for item in DOCUMENT["paths"].values() for method in METHODS if method in item]
    ids = [each["operationId"] for each in described if "operationId" in each]

    assert all(each["summary"] for each in described)
    assert len(ids) == len(set(ids)) == len(operations())
    assert all("default" in each["responses"] for each in described)


def test_what_is_public_is_marked_so_and_nothing_else() -> None:
    for each in operations():
        described = DOCUMENT["paths"][each.route_path][each.method.lower()]

        assert (described["security"] == []) == (each.access is None), each.id


async def test_the_server_serves_the_document(server: TestServer) -> None:

    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{server.url}/api/firstboot/openapi.json")

    assert answer.json() == DOCUMENT


def test_the_command_prints_the_document(tmp_path: Path) -> None:
    printed = firstboot(environment(tmp_path), "openapi")

    assert json.loads(printed.stdout) == DOCUMENT
