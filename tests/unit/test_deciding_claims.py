"""Deciding plugins may refuse a claim or a release; what they answer is checked like outside input (PL-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import txaio

from firstboot.config import PluginsConfig
from firstboot.deciding import MAX_REASON_LENGTH
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import ClaimRefused, LoginRefused, Unavailable
from firstboot.events import Claim
from firstboot.hookspecs import Change, Refuse, hookimpl
from firstboot.plugin_manager import PluginManager
from firstboot.testing import a_claim

QUESTIONS = {
    "firstboot_device_claiming": ClaimDeciders.may_claim,
    "firstboot_device_releasing": ClaimDeciders.may_release,
}
every_question = pytest.mark.parametrize("hook", QUESTIONS, ids=["claiming", "releasing"])


def manager_of(hook: str, *implementations: Callable[..., Any], **settings: Any) -> PluginManager:
    """Return a manager with plugins ``p0``, ``p1``, ... that are called in this order."""
    txaio.use_asyncio()
    manager = PluginManager(PluginsConfig(**settings))
    for number, function in reversed(list(enumerate(implementations))):
        plugin = SimpleNamespace(FIRSTBOOT_API=1, number=number, **{hook: hookimpl(function)})
        manager.register(plugin, f"p{number}")
    return manager


async def ask(hook: str, manager: PluginManager, claim: Claim | None = None) -> None:
    await QUESTIONS[hook](ClaimDeciders(manager), claim or a_claim())


async def refused(hook: str, *implementations: Callable[..., Any]) -> ClaimRefused:
    with pytest.raises(ClaimRefused) as caught:
        await ask(hook, manager_of(hook, *implementations))
    return caught.value


def answering(answer: Any) -> Callable[..., Any]:
    async def answer_it() -> Any:
        return answer

    return answer_it


@every_question
async def test_nobody_to_ask_and_nobody_who_minds_refuses_nothing(hook: str) -> None:
    await ask(hook, manager_of(hook))
    await ask(hook, manager_of(hook, answering(None), lambda: None))


@every_question
async def test_each_is_told_the_claim_as_it_is_until_one_refuses(hook: str) -> None:
    claim, asked = a_claim(), []

    def first(claim: Claim) -> None:
        asked.append(("first", claim))

    async def second(claim: Claim) -> Refuse:
        asked.append(("second", claim))
        return Refuse("not today")

    def third(claim: Claim) -> None:
        asked.append(("third", claim))

    with pytest.raises(ClaimRefused) as caught:
        await ask(hook, manager_of(hook, first, second, third), claim)

    assert (caught.value.code, str(caught.value)) == ("vetoed", "p1: not today")
    assert asked == [("first", claim), ("second", claim)]


@every_question
async def test_only_the_question_that_a_plugin_answers_is_put_to_it(hook: str) -> None:
    (other,) = set(QUESTIONS) - {hook}

    await ask(hook, manager_of(other, answering(Refuse("no"))))


@every_question
@pytest.mark.parametrize(
    "answer",
    [
        True,
        False,
        "no",
        b"refuse",
        Change(label="x"),
        Refuse("x", ""),
        Refuse("x", "Not A Code"),
        Refuse("x", 5),  # type: ignore[arg-type]
        Refuse,
    ],
    ids=repr,
)
async def test_nonsense_refuses_and_counts_as_a_failure(hook: str, answer: Any) -> None:
    manager = manager_of(hook, answering(answer))

    with pytest.raises(ClaimRefused) as caught:
        await ask(hook, manager)

    assert caught.value.code == "plugin-error"
    assert manager.runner("p0").failures == 1
    assert str(caught.value).startswith("plugin 'p0' ")


@every_question
@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError(), ClaimRefused("locked", "x"), LoginRefused("x"), Unavailable("x"), TimeoutError()],
    ids=repr,
)
async def test_an_error_refuses_with_one_code_whatever_it_is(hook: str, error: Exception) -> None:
    def fails() -> None:
        raise error

    refusal = await refused(hook, fails)

    assert refusal.code == "plugin-error"
    assert refusal.retry_after_s is None


@every_question
async def test_one_that_never_answers_refuses_after_its_time(hook: str) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    manager = manager_of(hook, hangs, timeout=timedelta(milliseconds=20))

    with pytest.raises(ClaimRefused) as caught:
        await ask(hook, manager)

    assert caught.value.code == "plugin-error"


@every_question
async def test_a_long_reason_is_cut_off(hook: str) -> None:
    refusal = await refused(hook, answering(Refuse("x" * 10_000, "code")))

    assert str(refusal) == "p0: " + "x" * MAX_REASON_LENGTH
