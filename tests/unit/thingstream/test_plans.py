"""Which topics belong to a plan, and what a Thing may do on them."""

from __future__ import annotations

from uuid import UUID

import pytest

from firstboot_plugins.dialects.thingstream.plans import Delivery, Plan, Region
from firstboot_plugins.dialects.thingstream.pointperfect_rights import PointPerfectRights

ID = UUID("0e2d5f0c-5b1a-4a0c-9a44-0a8f5b7c9d21")
RIGHTS = PointPerfectRights(7, ID, Plan().topics)


def described(plan: Plan) -> dict[str, str]:
    return {each.description: each.path for each in plan.subscriptions}


def test_the_default_is_the_contract_s_example() -> None:
    assert described(Plan()) == {
        "L-band + IP key distribution topic": "/pp/ubx/0236/Lb",
        "AssistNow (MGA) topic": "/pp/ubx/mga",
        "L-band + IP correction topic for EU region": "/pp/Lb/eu",
        "L-band + IP geographic area definition topic for EU region": "/pp/Lb/eu/gad",
        "L-band + IP high-precision atmosphere correction topic for EU region": "/pp/Lb/eu/hpac",
        "L-band + IP GNSS orbit, clocks and bias topic for EU region": "/pp/Lb/eu/ocb",
        "L-band + IP GNSS clock topic for EU region": "/pp/Lb/eu/clk",
        "L-band frequencies topic": "/pp/frequencies/Lb",
    }
    assert next(iter(Plan().subscriptions)).path == "/pp/ubx/0236/Lb"


def test_a_plan_without_satellites_has_no_frequencies() -> None:
    plan = Plan(delivery=Delivery.IP, regions=(Region.US, Region.JP))

    topics = described(plan)

    assert not plan.has_lband
    assert topics["IP correction topic for US region"] == "/pp/ip/us"
    assert topics["IP correction topic for Japan region"] == "/pp/ip/jp"
    assert plan.subscriptions[0].path == "/pp/ubx/0236/ip"
    assert not any("frequencies" in each or "L-band" in each for each in topics)


def test_a_plan_by_satellite_alone_says_so() -> None:
    assert described(Plan(delivery=Delivery.LBAND))["L-band correction topic for EU region"] == "/pp/Lb/eu"


def test_a_region_counts_once() -> None:
    assert Plan(regions=(Region.EU, Region.EU)).subscriptions == Plan().subscriptions


@pytest.mark.parametrize(
    "topic",
    ["/pp/Lb/us", "/pp/ip/eu", "/pp/Lb/#", "/pp/+/eu", "#", "pp/Lb/eu", "/pp/Lb/eu/", "//pp/Lb/eu", "7//pp/Lb/eu"],
)
def test_a_thing_hears_nothing_but_its_topics(topic: str) -> None:
    assert RIGHTS.subscribe_to(topic) is None
    assert RIGHTS.seen_as(f"7/{topic}") is None


def test_a_thing_hears_its_topics_in_its_tenant_and_publishes_to_none() -> None:
    for topic in Plan().topics:
        assert RIGHTS.subscribe_to(topic) == f"7/{topic}"
        assert RIGHTS.seen_as(f"7/{topic}") == topic
        assert RIGHTS.seen_as(f"77/{topic}") is None
        assert RIGHTS.publish_to(topic) is None


def test_a_thing_has_the_topics_of_every_device() -> None:
    assert RIGHTS.publish_to("devices/me/x") == RIGHTS.subscribe_to("devices/me/x") == f"7/devices/{ID}/x"
    assert RIGHTS.seen_as(f"7/devices/{ID}/x") == "devices/me/x"
