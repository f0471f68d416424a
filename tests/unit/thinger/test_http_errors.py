"""Refusals of the services in thinger.io's form (contract section 5)."""

from __future__ import annotations

import pytest

from firstboot.errors import (
    REFUSAL_CODES,
    AlreadyExists,
    FirstbootError,
    InvalidValue,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ProvisioningRefused,
    TooManyRequests,
    Unavailable,
    VersionConflict,
)
from firstboot_plugins.dialects.thinger.errors import ThingerError, as_thinger_error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (AlreadyExists("x"), 400),
        (InvalidValue("x"), 400),
        (LimitReached("x"), 400),
        (NotAllowed("x"), 403),
        (NotAuthenticated("c", "x"), 401),
        (TooManyRequests("x", 9), 429),
        (VersionConflict("x"), 503),
        (Unavailable("x", 9), 503),
        (FirstbootError("x"), 500),
        (ThingerError(409, "x"), 409),
    ],
)
def test_tg_5_each_refusal_has_its_status(error: FirstbootError, status: int) -> None:
    refusal = as_thinger_error(error)

    assert refusal.status == status
    assert refusal.to_json() == {"error": {"message": refusal.message}}


@pytest.mark.parametrize("error", [TooManyRequests("x", 9), Unavailable("x", 9)])
def test_tg_5_how_long_to_wait_is_told(error: FirstbootError) -> None:
    assert as_thinger_error(error).retry_after_s == 9


@pytest.mark.parametrize("code", REFUSAL_CODES)
def test_tg_5_every_refusal_of_provisioning_has_a_status_and_tells_nothing_for_operators(code: str) -> None:
    refusal = as_thinger_error(ProvisioningRefused("the operator's text", code=code))

    assert refusal.status in (400, 403, 404, 429, 503)
    assert "operator" not in refusal.message
    assert (refusal.retry_after_s is not None) == (refusal.status in (429, 503))


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("name-taken", 400, "device already exists"),
        ("device-limit", 400, "device limit reached"),
        ("pool-empty", 404, "pool empty"),
        ("rate-limit", 429, "too many requests"),
    ],
)
def test_tg_5_known_refusals_have_the_contract_s_words(code: str, status: int, message: str) -> None:
    refusal = as_thinger_error(ProvisioningRefused("x", code=code))

    assert (refusal.status, refusal.message) == (status, message)


def test_tg_12_1_a_result_stands_before_the_error() -> None:
    error = ThingerError(409, "credentials mismatch", result="conflict")

    assert list(error.to_json()) == ["result", "error"]
    assert error.to_json() == {"result": "conflict", "error": {"message": "credentials mismatch"}}
