"""Run a test of a suite against something broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

FAILURES = (AssertionError, pytest.fail.Exception)


async def catches(test: Callable[..., Any], **arguments: Any) -> None:
    """Run a test of a suite and expect it to fail."""
    with pytest.raises(FAILURES):
        await _run(test, arguments)


async def _run(test: Callable[..., Any], arguments: dict[str, Any]) -> None:
    result = test(**arguments)
    if inspect.isawaitable(result):
        await result
