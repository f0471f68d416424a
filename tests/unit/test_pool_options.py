"""Options of pools: read, told, and refused with what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.storage import PoolOrder, Rebind
from firstboot.testing import FakeFinder, a_profile, a_request
from firstboot_plugins.strategies.pool import Pool
from firstboot_plugins.strategies.pool_options import POOL, OnEmpty, Order, PoolOptions
from firstboot_plugins.strategies.pool_settings import applied, options_of


def test_a_pool_without_options_has_those_of_the_contract() -> None:
    options = PoolOptions.read({})

    assert (options.order, options.on_empty) == (Order.FIFO, OnEmpty.FAIL)
    assert options.lease == timedelta(seconds=600)
    assert options.rebind is Rebind.UNTIL_CONFIRMED
    assert options.hardware_ids is None


def test_what_is_told_is_what_is_read() -> None:
    told = {
        "order": "match_fifo",
        "lease": 0,
        "on_empty": "create",
        "id_pattern": "meter-{seq:05d}",
        "rebind": "always",
        "hardware_ids": ["AABBCC", "DDEEFF"],
        "template": {"type": "MQTT"},
    }

    assert PoolOptions.read(told).told() == told
    assert PoolOptions.read(PoolOptions().told()) == PoolOptions()


@pytest.mark.parametrize(
    ("order", "asked"),
    [
        ("fifo", PoolOrder.FIFO),
        ("lowest", PoolOrder.LOWEST),
        ("random", PoolOrder.RANDOM),
        ("match", PoolOrder.NONE),
        ("match_fifo", PoolOrder.FIFO),
    ],
)
def test_each_order_asks_the_storage_for_one(order: str, asked: PoolOrder) -> None:
    assert PoolOptions.read({"order": order}).picks is asked


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"strategy": "fifo"}, "no option 'strategy'"),
        ({"order": "first"}, "order is one of fifo, lowest"),
        ({"order": ["fifo"]}, "order is one of"),
        ({"on_empty": None}, "on_empty is one of fail, wait, create"),
        ({"on_empty": "create"}, "say in id_pattern"),
        ({"rebind": "until-confirmed"}, "rebind is one of until_confirmed, always, never"),
        ({"lease": -1}, "lease is a number of seconds"),
        ({"lease": True}, "lease is a number"),
        ({"lease": 1.5}, "lease is a number"),
        ({"lease": 10**12}, "lease is a number"),
        ({"id_pattern": 7}, "id_pattern is a text"),
        ({"id_pattern": "meter"}, "makes no names"),
        ({"hardware_ids": "AABBCC"}, "hardware_ids is"),
        ({"hardware_ids": [7]}, "hardware_ids is"),
        ({"hardware_ids": [""]}, "1 to 64 visible characters"),
        ({"template": []}, "template is a JSON object"),
    ],
)
def test_what_is_wrong_is_said(told: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        PoolOptions.read(told)


def test_an_option_that_is_changed_leaves_the_others_and_what_dialects_keep() -> None:
    profile = a_profile(strategy="disabled", details={"dialect": "thinger", POOL: {"order": "lowest", "lease": 5}})

    changed = applied({"lease": 7, "id_pattern": None}, profile)

    assert changed.strategy == "pool"
    assert changed.details["dialect"] == "thinger"
    assert (options_of(changed).order, options_of(changed).lease) == (Order.LOWEST, timedelta(seconds=7))


def test_a_profile_with_another_strategy_has_no_pool() -> None:
    with pytest.raises(InvalidValue, match="has no pool: its strategy is allow-create-new"):
        options_of(a_profile())


@pytest.mark.parametrize("told", [{"order": "first"}, "fifo"])
def test_a_pool_that_is_not_set_up_refuses_and_says_why_to_the_operator(told: Any) -> None:
    profile = a_profile(strategy="pool", details={POOL: told})

    with pytest.raises(ProvisioningRefused, match="not set up") as caught:
        Pool().decide("AABBCC", a_request(), profile, FakeFinder())

    assert caught.value.code == "plugin-error"


def test_options_that_were_changed_count_at_once() -> None:
    strategy, profile = Pool(), a_profile(strategy="pool")

    first = strategy.decide("AABBCC", a_request(), profile, FakeFinder())
    second = strategy.decide("AABBCC", a_request(), applied({"order": "lowest"}, profile), FakeFinder())

    assert (first.order, second.order) == (PoolOrder.FIFO, PoolOrder.LOWEST)


def test_a_hardware_id_counts_more_than_a_name() -> None:
    asked = a_request(hardware_id="AABBCC")

    decision = Pool().decide("meter-7", asked, a_profile(strategy="pool"), FakeFinder())

    assert decision.hardware_id == "AABBCC"
