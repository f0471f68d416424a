"""The registry of calls, and what is made of a single one."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from firstboot.errors import (
    AlreadyExists,
    DeviceOffline,
    FirstbootError,
    InvalidValue,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RpcTimedOut,
    TooManyRequests,
    Unavailable,
    VersionConflict,
)
from firstboot.scopes import SCOPES
from firstboot_plugins.admin.failures import Failure, failure_of
from firstboot_plugins.admin.operation import ANY_SCOPE, PUBLIC, Call, operation
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.registry import operations
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD

OPERATIONS = operations()


@operation("GET", "/api/thing/{thingId:uuid}/part/{name:path}", dialect=FIRSTBOOT, tag="Things", access=PUBLIC)
async def part(call: Call) -> None:
    """Show a part.

    It is shown
    in full.
    """


def test_an_operation_is_described_by_its_function() -> None:
    assert (part.summary, part.description) == ("Show a part", "It is shown in full.")
    assert part.id == "get-api-thing-by-thingId-part-by-name"
    assert part.route_path == "/api/thing/{thingId}/part/{name}"
    assert part.pattern == "/api/thing/{thingId}/part/{name:path}"
    assert {name: kind.__name__ for name, kind in part.parameters.items()} == {"thingId": "UUID", "name": "str"}


def test_every_scope_that_a_call_asks_for_exists() -> None:
    asked = {each.access.scope for each in OPERATIONS if each.access is not None and each.access.scope}

    assert asked - {ANY_SCOPE} <= set(SCOPES)


def test_ht_10_a_get_has_no_body_and_a_change_is_no_get() -> None:
    changing = re.compile("^(Change|Create|Make|Delete|Give|Set|Save|Revoke|Assign|Disable|Enable|Let|Import)")

    assert [each.id for each in OPERATIONS if each.method == "GET" and each.body is not None] == []
    assert [each.id for each in OPERATIONS if each.method == "GET" and changing.match(each.summary)] == []


def test_lg_8_our_own_calls_refuse_fields_that_they_do_not_know() -> None:
    models = [each.body for each in OPERATIONS if each.dialect is FIRSTBOOT and each.body is not None]
    models += [each.query for each in OPERATIONS if each.dialect is FIRSTBOOT and each.query is not None]

    assert models
    assert all(issubclass(each, BaseModel) and each.model_config.get("extra") == "forbid" for each in models)


def test_only_these_calls_need_no_login() -> None:
    assert {each.id for each in OPERATIONS if each.access is None} == {
        "get-health",
        "get-health-ready",
        "get-api-firstboot-openapi.json",
        "get-api-firstboot-ca.pem",
        "get-api-firstboot-ca.crl",
        "post-api-firstboot-sign-up",
        "post-api-auth-login",
        "post-api-auth-token",
        "get-api-noauth-activate",
        "post-api-noauth-activate",
    }


@pytest.mark.parametrize(
    ("error", "status", "error_code", "our_status"),
    [
        (NotAuthenticated("unknown-user", "Invalid username or password"), 401, 10, 401),
        (NotAuthenticated("expired", "Token has expired", expired=True), 401, 11, 401),
        (NotAllowed("no"), 403, 20, 403),
        (NotFound("no"), 404, 32, 404),
        (AlreadyExists("taken"), 400, 31, 409),
        (InvalidValue("wrong"), 400, 31, 400),
        (VersionConflict("old"), 409, 35, 409),
        (TooManyRequests("slow down", 7), 429, 33, 429),
        (DeviceOffline("off"), 409, 2, 409),
        (RpcTimedOut("late"), 504, 2, 504),
        (Unavailable("the database at 10.0.0.7 is away", 3), 503, 33, 503),
        (Failure(418, "tea", error_code=7), 418, 7, 418),
    ],
)
def test_every_error_has_a_status_in_both_dialects(
    error: FirstbootError, status: int, error_code: int, our_status: int
) -> None:
    theirs, ours = failure_of(error, THINGSBOARD), failure_of(error, FIRSTBOOT)

    assert (theirs.status, theirs.error_code, ours.status) == (status, error_code, our_status)


def test_lg_3_what_operators_know_of_a_failed_login_is_not_told() -> None:
    failure = failure_of(NotAuthenticated("unknown-user", "Invalid username or password"), FIRSTBOOT)

    assert "unknown-user" not in (failure.code, str(failure))


def test_who_has_to_wait_is_told_how_long_and_not_why() -> None:
    failure = failure_of(Unavailable("the database at 10.0.0.7 is away", 3), FIRSTBOOT)

    assert failure.headers == {"retry-after": "3"}
    assert "10.0.0.7" not in str(failure)
