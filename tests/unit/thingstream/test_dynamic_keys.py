"""Keys that nobody stores: everybody with the server's key derives the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firstboot.keyring import Keyring
from firstboot_plugins.dialects.thingstream.dynamic_keys import DURATION_MS, EPOCH_MS, dynamic_keys

KEYRING = Keyring(bytes(32))


def test_the_periods_are_those_of_the_contract_s_example() -> None:
    current, following = dynamic_keys(KEYRING, 1, "pp", 1_761_436_800_000)

    assert (current.start_ms, following.start_ms) == (1_761_436_800_000, 1_763_856_000_000)
    assert current.to_json()["duration"] == 2_419_200_000
    assert dynamic_keys(KEYRING, 1, "pp", following.start_ms - 1)[0] == current
    assert dynamic_keys(KEYRING, 1, "pp", following.start_ms)[0] == following


def test_a_key_is_of_one_tenant_plan_and_period_and_of_one_installation() -> None:
    values = {
        key.value
        for keyring in (KEYRING, Keyring(b"1" * 32))
        for tenant_id in (1, 11)
        for plan in ("pp", "1:pp", "")
        for key in dynamic_keys(keyring, tenant_id, plan, EPOCH_MS)
    }

    assert len(values) == 24
    assert all(len(bytes.fromhex(value)) == 16 for value in values)


@given(st.integers(min_value=0, max_value=2**42))
def test_at_any_moment_the_current_key_is_good_and_the_next_follows(now_ms: int) -> None:
    current, following = dynamic_keys(KEYRING, 1, "pp", now_ms)

    assert current.start_ms <= now_ms < following.start_ms == current.start_ms + DURATION_MS


def test_a_key_does_not_show_itself() -> None:
    current, _ = dynamic_keys(KEYRING, 1, "pp", EPOCH_MS)

    assert current.value not in repr(current)
