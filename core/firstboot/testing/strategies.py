"""What every provisioning strategy must hold to, as tests to inherit."""

from __future__ import annotations

import asyncio
import copy
import gc
import re
import weakref
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import pytest

from firstboot.errors import REFUSAL_CODES, ProfileNotProven, ProvisioningRefused, Refused
from firstboot.model import Device, DeviceProfile, ProvisioningRequest
from firstboot.names import clean_name
from firstboot.pools import check_hardware_id
from firstboot.strategies import (
    CreateNew,
    Decision,
    GiveNew,
    HandOutExisting,
    ProvisioningStrategy,
    TakeFromPool,
)
from firstboot.testing._settling import settled
from firstboot.testing.leaks import NoLeaks
from firstboot.testing.samples import a_device, a_profile, a_provisioned_device, a_request

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class FakeFinder:
    """A `DeviceFinder` over given devices; ``asked`` has the names that were looked for."""

    def __init__(self, *devices: Device) -> None:
        self._devices = {device.name: device for device in devices}
        self.asked: list[str] = []
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Answer nobody until `release`, as a slow database does."""
        self._open.clear()

    def release(self) -> None:
        """Answer all who wait."""
        self._open.set()

    async def find(self, name: str) -> Device | None:
        """Return the device of this name, or None."""
        self.asked.append(name)
        await self._open.wait()
        return self._devices.get(name)


SITUATIONS: Mapping[str, tuple[str | None, tuple[Device, ...]]] = MappingProxyType(
    {
        "a new name": ("meter-7", ()),
        "no name": (None, ()),
        "a device that waits": ("meter-7", (a_device("meter-7", profile_id=1),)),
        "a device of another profile": ("meter-7", (a_device("meter-7", profile_id=2),)),
        "a device that was provisioned": ("meter-7", (a_provisioned_device("meter-7", profile_id=1),)),
        "a re-opened device": ("meter-7", (a_device("meter-7", profile_id=1, reopened_at_ms=1),)),
        "a name with quotes": ("me'ter\"7; --", ()),
        "a name of 255 characters": ("\N{GRINNING FACE}" * 255, ()),
    }
)
"""What a strategy meets: the name that was asked for, and the devices that exist. The profile has id 1."""

every_situation = pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
Situation = tuple[str | None, tuple[Device, ...]]


class _WatchedRequest(ProvisioningRequest):
    """A request whose end can be seen (slots leave no room for weak references)."""

    # Dataclasses with slots leave __weakref__ out.
    __slots__ = ("__weakref__",)


@pytest.mark.asyncio
class StrategyConformance(NoLeaks):
    """Inherit, and override the fixture ``strategy``; ``profile`` and ``asked`` where yours needs more.

    A strategy may accept or refuse as it likes: the suite looks at the form of its decisions, and at the
    borders that no strategy may cross.
    """

    own_codes: ClassVar[frozenset[str]] = frozenset()
    """Codes with which this strategy refuses beside those in `REFUSAL_CODES`."""

    @pytest.fixture
    def strategy(self) -> ProvisioningStrategy:
        """Return the strategy under test."""
        raise NotImplementedError("Override the fixture 'strategy' to return yours.")

    @pytest.fixture
    def profile(self, strategy: ProvisioningStrategy) -> DeviceProfile:
        """Return the profile that was proven; its id is 1."""
        return a_profile(strategy=strategy.name, id=1)

    @pytest.fixture
    def asked(self) -> ProvisioningRequest:
        """Return the request; its device name is set as the situation demands."""
        return a_request()

    async def answer(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        name: str | None,
        finder: FakeFinder,
    ) -> Decision | Refused:
        """Return the decision, or the refusal instead of raising it."""
        try:
            return await settled(strategy.decide(name, _with_name(asked, name), profile, finder))
        except (ProvisioningRefused, ProfileNotProven) as refusal:
            # Its frames would keep every argument alive.
            return refusal.with_traceback(None)

    async def test_its_name_is_a_slug(self, strategy: ProvisioningStrategy) -> None:
        assert _SLUG.fullmatch(strategy.name), f"{strategy.name!r}: use lower case, digits and single hyphens"

    @every_situation
    async def test_it_decides_or_refuses_with_a_known_code(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation

        answer = await self.answer(strategy, profile, asked, name, FakeFinder(*devices))

        if isinstance(answer, Refused):
            assert answer.code in REFUSAL_CODES.keys() | self.own_codes
            assert str(answer), "an operator needs a reason"
            assert asked.secret.reveal() not in str(answer)
        else:
            assert isinstance(answer, CreateNew | HandOutExisting | GiveNew | TakeFromPool)

    @every_situation
    async def test_it_hands_out_only_a_device_that_exists_in_the_profile(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation

        answer = await self.answer(strategy, profile, asked, name, FakeFinder(*devices))

        if isinstance(answer, HandOutExisting | GiveNew):
            assert answer.device in devices
            assert answer.device.profile_id == profile.id

    @every_situation
    async def test_a_name_for_a_new_device_is_clean(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation

        answer = await self.answer(strategy, profile, asked, name, FakeFinder(*devices))

        if isinstance(answer, CreateNew) and answer.name is not None:
            assert clean_name(answer.name) == answer.name

    @every_situation
    async def test_a_hardware_that_takes_from_a_pool_is_one_and_new_devices_have_names_of_their_own(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation

        answer = await self.answer(strategy, profile, asked, name, FakeFinder(*devices))

        if isinstance(answer, TakeFromPool):
            assert check_hardware_id(answer.hardware_id) == answer.hardware_id
            if answer.new_name is not None:
                assert clean_name(answer.new_name(7)) == answer.new_name(7), "a number makes one clean name"

    @every_situation
    async def test_it_leaves_the_request_as_it_was(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation
        facts = copy.deepcopy(dict(asked.facts))
        profile_before = repr(profile)
        devices_before = repr(devices)

        await self.answer(strategy, profile, asked, name, FakeFinder(*devices))

        assert dict(asked.facts) == facts
        assert repr(profile) == profile_before
        assert repr(devices) == devices_before

    @every_situation
    async def test_it_keeps_neither_the_request_nor_the_finder(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation
        request, finder = _with_name(asked, name), FakeFinder(*devices)
        kept: list[weakref.ref[object]] = [weakref.ref(request), weakref.ref(finder)]

        try:
            await settled(strategy.decide(name, request, profile, finder))
        except Refused:
            pass
        del request, finder
        gc.collect()

        assert [reference() for reference in kept] == [None, None]

    @every_situation
    async def test_a_slow_finder_changes_nothing_but_the_time(
        self,
        strategy: ProvisioningStrategy,
        profile: DeviceProfile,
        asked: ProvisioningRequest,
        situation: Situation,
    ) -> None:
        name, devices = situation
        expected = await self.answer(strategy, profile, asked, name, FakeFinder(*devices))
        slow = FakeFinder(*devices)
        slow.hold()

        waiting = asyncio.create_task(self.answer(strategy, profile, asked, name, slow))
        await _a_few_turns()
        slow.release()

        assert _what(await waiting) == _what(expected)

    async def test_requests_at_the_same_time_do_not_mix(
        self, strategy: ProvisioningStrategy, profile: DeviceProfile, asked: ProvisioningRequest
    ) -> None:
        devices = [a_device(f"meter-{number}", profile_id=number % 3) for number in range(0, 30, 2)]
        names = [f"meter-{number}" for number in range(30)]
        alone = [await self.answer(strategy, profile, asked, name, FakeFinder(*devices)) for name in names]
        slow = FakeFinder(*devices)
        slow.hold()

        waiting = [asyncio.create_task(self.answer(strategy, profile, asked, name, slow)) for name in names]
        await _a_few_turns()
        slow.release()
        together = await asyncio.gather(*waiting)

        assert [_what(answer) for answer in together] == [_what(answer) for answer in alone]

    async def test_a_cancelled_request_ends(
        self, strategy: ProvisioningStrategy, profile: DeviceProfile, asked: ProvisioningRequest
    ) -> None:
        finder = FakeFinder(a_device("meter-7"))
        finder.hold()
        waiting = asyncio.create_task(self.answer(strategy, profile, asked, "meter-7", finder))
        await _a_few_turns()

        was_waiting = waiting.cancel()
        await asyncio.wait([waiting])

        assert waiting.cancelled() == was_waiting


async def _a_few_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _what(answer: Decision | Refused) -> object:
    """Return what matters of an answer, so that two can be compared."""
    if isinstance(answer, Refused):
        return type(answer), answer.code
    # A strategy may draw names itself; then two answers differ in nothing else.
    if isinstance(answer, GiveNew):
        return GiveNew, answer.device
    return answer if isinstance(answer, HandOutExisting) else type(answer)


def _with_name(asked: ProvisioningRequest, name: str | None) -> ProvisioningRequest:
    return _WatchedRequest(
        key=asked.key,
        secret=asked.secret,
        device_name=name,
        wanted=asked.wanted,
        gateway=asked.gateway,
        facts=asked.facts,
        origin=asked.origin,
    )
