"""Plugins may answer at once or with an awaitable; a suite wants the answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from typing import TypeVar, cast

Answer = TypeVar("Answer")


async def settled(answer: Answer | Awaitable[Answer]) -> Answer:
    """Return the answer, awaited if need be."""
    if inspect.isawaitable(answer):
        return cast(Answer, await answer)
    return answer
