"""The strategy suite catches broken strategies."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.testing_kit.catching import catches

from firstboot.errors import ProvisioningRefused
from firstboot.strategies import CreateNew, HandOutExisting
from firstboot.testing import (
    FakeFinder,
    StrategyConformance,
    a_device,
    a_profile,
    a_provisioned_device,
    a_request,
)
from firstboot.testing.strategies import SITUATIONS


class GoodStrategy:
    """Accepts what it can; the broken ones differ in one thing."""

    name = "good-strategy"

    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        device = await devices.find(name) if name else None
        if device is None:
            return CreateNew(name)
        if device.profile_id != profile.id or device.provision_state is not None:
            raise ProvisioningRefused("There is a device of this name.", code="name-taken")
        return HandOutExisting(device)


class BadName(GoodStrategy):
    name = "Bad Strategy"


class UnknownCode(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        raise ProvisioningRefused("No.", code="whatever")


class NoReason(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        raise ProvisioningRefused("")


class TellsTheSecret(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        raise ProvisioningRefused(f"Not with {request.secret.reveal()}.")


class ReturnsText(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        return "yes"


class ForgetsToDecide(GoodStrategy):
    def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        return None


class HandsOutAnyProfile(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        device = await devices.find(name)
        return HandOutExisting(device) if device else CreateNew(name)


class HandsOutAnInvention(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        return HandOutExisting(a_device(name, profile_id=profile.id))


class MakesUncleanNames(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        return CreateNew(f" {name}\u200b")


class WritesIntoFacts(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        request.facts["seen"] = "yes"
        return CreateNew(name)


class KeepsRequests(GoodStrategy):
    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        self.kept.append(request)
        return CreateNew(name)


class MixesRequests(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        self.current = name
        await devices.find(name)
        return await super().decide(self.current, request, profile, devices)


class Impatient(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        looking = asyncio.ensure_future(devices.find(name))
        for _ in range(5):
            await asyncio.sleep(0)
        if not looking.done():
            looking.cancel()
            raise ProvisioningRefused("Too slow.", code="unavailable")
        return CreateNew(name)


class SwallowsCancellation(GoodStrategy):
    async def decide(self, name: Any, request: Any, profile: Any, devices: Any) -> Any:
        try:
            return await super().decide(name, request, profile, devices)
        except asyncio.CancelledError:
            return CreateNew(name)


BROKEN_STRATEGIES: Sequence[tuple[type[GoodStrategy], str, str | None]] = (
    (BadName, "its_name_is_a_slug", None),
    (UnknownCode, "it_decides_or_refuses_with_a_known_code", "a new name"),
    (NoReason, "it_decides_or_refuses_with_a_known_code", "a new name"),
    (TellsTheSecret, "it_decides_or_refuses_with_a_known_code", "a new name"),
    (ReturnsText, "it_decides_or_refuses_with_a_known_code", "a new name"),
    (ForgetsToDecide, "it_decides_or_refuses_with_a_known_code", "a new name"),
    (HandsOutAnyProfile, "it_hands_out_only_a_device_that_exists_in_the_profile", "a device of another profile"),
    (HandsOutAnInvention, "it_hands_out_only_a_device_that_exists_in_the_profile", "a new name"),
    (WritesIntoFacts, "it_leaves_the_request_as_it_was", "a new name"),
    (KeepsRequests, "it_keeps_neither_the_request_nor_the_finder", "a new name"),
    (Impatient, "a_slow_finder_changes_nothing_but_the_time", "a new name"),
    (MixesRequests, "requests_at_the_same_time_do_not_mix", None),
    (SwallowsCancellation, "a_cancelled_request_ends", None),
)


@pytest.mark.parametrize(("kind", "name", "situation"), BROKEN_STRATEGIES)
async def test_the_suite_catches_a_broken_strategy_and_passes_a_whole_one(
    kind: type[GoodStrategy], name: str, situation: str | None
) -> None:
    test = getattr(StrategyConformance(), f"test_{name}")

    def arguments(strategy: GoodStrategy) -> dict[str, Any]:
        given_ = {
            "strategy": strategy,
            "profile": a_profile(id=1),
            "asked": a_request(),
            "situation": SITUATIONS[situation] if situation else None,
        }
        return {key: value for key, value in given_.items() if key in inspect.signature(test).parameters}

    await test(**arguments(GoodStrategy()))
    await catches(test, **arguments(kind()))


async def test_the_suite_catches_a_strategy_that_makes_unclean_names() -> None:
    with pytest.raises(Exception, match="invisible"):
        await StrategyConformance().test_a_name_for_a_new_device_is_clean(
            MakesUncleanNames(), a_profile(id=1), a_request(), SITUATIONS["a new name"]
        )


async def test_the_finder_answers_only_when_it_is_let_go() -> None:
    device = a_provisioned_device("meter-7")
    finder = FakeFinder(device)
    finder.hold()
    looking = asyncio.create_task(finder.find("meter-7"))
    await asyncio.sleep(0)
    assert not looking.done()

    finder.release()

    assert await looking is device
    assert await finder.find("nobody") is None
    assert finder.asked == ["meter-7", "nobody"]
